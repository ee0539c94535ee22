#pragma once

#include "base/intrusive_list.h"
#include "io/loop.h"

namespace trunkline::tls {

// A private-key operation takes up to a millisecond; with this many in a turn of the loop a storm
// of logins holds up a running query by no more than that.
inline constexpr unsigned kHandshakeStepsPerTurn = 2;

// How many handshake steps may run in one turn of a loop; the others wait in line for the next
// turns. One for each loop, on its thread; outlives the loop's coroutines.
class HandshakeGate {
 public:
  explicit HandshakeGate(io::Loop& loop, unsigned steps_per_turn = kHandshakeStepsPerTurn)
      : loop_(loop), steps_per_turn_(steps_per_turn) {}
  HandshakeGate(const HandshakeGate&) = delete;
  HandshakeGate& operator=(const HandshakeGate&) = delete;

  // Returns when a step may run, in order of arrival.
  io::Task<> enter();

 private:
  struct Entrant : ListNode<> {
    explicit Entrant(io::Loop& loop) : waiter(loop) {}
    io::Waiter waiter;
  };
  io::Task<> count_turns();

  io::Loop& loop_;
  const unsigned steps_per_turn_;
  unsigned steps_in_turn_ = 0;
  bool counting_ = false;  // count_turns is running: only while there are handshakes
  IntrusiveList<Entrant> line_;
};

}  // namespace trunkline::tls
