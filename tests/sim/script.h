#pragma once

#include <string>
#include <vector>

#include "base/random.h"

namespace trunkline::sim {

// A message of a client.
struct Message {
  char type;
  std::string body;
};
std::string encode(const Message& message);

// What a client sends at once.
struct Step {
  std::vector<Message> messages;
  bool waits = true;     // for all answers before the next step
  bool cancels = false;  // what it started runs until it is cancelled
};

// How a client leaves.
enum class Farewell : uint8_t {
  terminate,   // Terminate, then reads to the end
  half_close,  // the end of its sending direction, then reads to the end
  close,       // closes whatever is still to come
  vanish,      // neither reads nor closes for a long time
  garbage,     // a message of no known type, then reads to the end
  stay,        // idle until it is told to go
  kCount
};

struct Script {
  std::vector<Step> steps;
  Farewell farewell = Farewell::terminate;
  bool kills_server = false;  // some statement loses the server

  // All that was asked is answered, and the counters of the proxy can be known exactly.
  bool is_orderly() const {
    return !kills_server && (farewell == Farewell::terminate || farewell == Farewell::half_close);
  }
};

// Any sequence of simple, extended, pipelined, COPY and transaction steps.
Script random_script(FastRandom& random, bool orderly);

}  // namespace trunkline::sim
