#include "upstream/login_gate.h"

#include <algorithm>
#include <optional>

#include "io/timer.h"
#include "io/waiter.h"

namespace trunkline::upstream {

namespace {

constexpr uint32_t kCalled = 1;
constexpr uint32_t kElapsed = 2;

}  // namespace

// Shared by the line and by mail that is on its way.
struct LoginGate::Entry {
  io::Loop& loop;
  io::Waiter* waiter;  // null: gone; only its loop's thread looks
  // Under the gate's mutex.
  bool is_in = false;
  std::optional<server::Refusal> refusal = {};

  static void call(const std::shared_ptr<Entry>& entry) {
    entry->loop.post([entry] {
      if (entry->waiter != nullptr) entry->waiter->raise(kCalled);
    });
  }
};

// Somebody who waits, even when the coroutine that does is destroyed.
class LoginGate::Turn {
 public:
  Turn(LoginGate& gate, io::Loop& loop)
      : gate_(gate),
        waiter_(loop, io::Place::behind),
        entry_(std::make_shared<Entry>(Entry{.loop = loop, .waiter = &waiter_})) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    entry_->waiter = nullptr;
    std::lock_guard lock(gate_.mutex_);
    std::erase(gate_.line_, entry_);
    if (!entry_->is_in) return;
    --gate_.entered_;
    gate_.let_next_in();
  }

  io::Waiter& waiter() { return waiter_; }
  // False: it has to wait.
  bool join(uint32_t max) {
    std::lock_guard lock(gate_.mutex_);
    gate_.max_ = max;
    if (gate_.line_.empty() && gate_.is_open()) {
      ++gate_.entered_;
      entry_->is_in = true;
    } else {
      gate_.line_.push_back(entry_);
    }
    return entry_->is_in;
  }
  std::optional<Place> take_place() {
    std::lock_guard lock(gate_.mutex_);
    if (!std::exchange(entry_->is_in, false)) return std::nullopt;
    return Place(&gate_);
  }
  std::optional<server::Refusal> refusal() {
    std::lock_guard lock(gate_.mutex_);
    return entry_->refusal;
  }
  Instant pause_until() {
    std::lock_guard lock(gate_.mutex_);
    return gate_.backoff_.pause_until();
  }

 private:
  LoginGate& gate_;
  io::Waiter waiter_;
  std::shared_ptr<Entry> entry_;
};

io::Task<std::expected<LoginGate::Place, server::Refusal>> LoginGate::enter(io::Loop& loop,
                                                                            uint32_t max,
                                                                            Instant deadline) {
  Turn turn(*this, loop);
  if (!turn.join(max)) {
    io::Timer timer(turn.waiter(), kElapsed);
    timer.start(deadline);
    co_await turn.waiter().wait(kCalled | kElapsed);
  }
  if (std::optional<server::Refusal> refusal = turn.refusal()) {
    co_return std::unexpected(std::move(*refusal));
  }
  Instant pause_until = std::min(turn.pause_until(), deadline);
  if (pause_until > loop.now()) co_await loop.sleep_until(pause_until);
  std::optional<Place> place = turn.take_place();
  if (place && loop.now() < deadline) co_return std::move(*place);
  co_return std::unexpected(
      server::Refusal{{.reason = Reason::login_timeout,
                       .side = Side::server,
                       .retry = Retry::safe,
                       .sqlstate = sqlstate::kCannotConnect,
                       .message = "other logins to this server took too long",
                       .hint = "The limits are \"max_logins\" of the upstream and "
                               "\"login_timeout\"."}});
}

void LoginGate::succeeded() {
  std::lock_guard lock(mutex_);
  if (!backoff_.has_failed()) return;
  backoff_.succeeded();
  let_next_in();
}

void LoginGate::failed(Instant now, const server::Refusal& why) {
  std::lock_guard lock(mutex_);
  backoff_.failed(now);
  for (const std::shared_ptr<Entry>& entry : line_) {
    entry->refusal = why;
    Entry::call(entry);
  }
  line_.clear();
}

void LoginGate::leave() {
  std::lock_guard lock(mutex_);
  --entered_;
  let_next_in();
}

void LoginGate::let_next_in() {
  while (!line_.empty() && is_open()) {
    std::shared_ptr<Entry> entry = std::move(line_.front());
    line_.pop_front();
    entry->is_in = true;
    ++entered_;
    Entry::call(entry);
  }
}

}  // namespace trunkline::upstream
