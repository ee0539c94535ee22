#include "tls/handshake_gate.h"

namespace trunkline::tls {

namespace {
constexpr uint32_t kAdmitted = 1;
}  // namespace

io::Task<> HandshakeGate::enter() {
  if (!counting_) {
    counting_ = true;
    loop_.spawn(count_turns());
  }
  if (steps_in_turn_ < steps_per_turn_ && line_.empty()) {
    ++steps_in_turn_;
    co_return;
  }
  Entrant entrant(loop_);
  line_.push_back(entrant);
  co_await entrant.waiter.wait(kAdmitted);
}

io::Task<> HandshakeGate::count_turns() {
  io::Waiter turn(loop_);
  do {
    co_await turn.yield();
    steps_in_turn_ = 0;
    while (steps_in_turn_ < steps_per_turn_ && !line_.empty()) {
      ++steps_in_turn_;
      line_.pop_front()->waiter.raise(kAdmitted);
    }
  } while (steps_in_turn_ > 0);
  counting_ = false;
}

}  // namespace trunkline::tls
