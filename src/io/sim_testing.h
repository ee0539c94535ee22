#pragma once

#include <memory>

#include "io/loop.h"
#include "io/sim_backend.h"

namespace trunkline::io {

inline const SocketAddress kServer = SocketAddress::ip(*IpAddress::parse("10.0.0.1"), 5432);

// A loop over a simulated network; for the tests of both.
struct Simulation {
  explicit Simulation(const SimOptions& options = {})
      : loop(std::make_unique<SimBackend>(options)),
        backend(static_cast<SimBackend&>(loop.backend())),
        network(backend.network()) {}

  // False when a coroutine waits for ever.
  bool run_to_end() {
    while (loop.spawned() > 0 && !backend.deadlocked()) loop.run_once(true);
    return loop.spawned() == 0;
  }
  // Until nothing happens any more.
  void settle() {
    do loop.run_once(true);
    while (!backend.deadlocked());
  }

  Loop loop;
  SimBackend& backend;
  SimNetwork& network;
};

}  // namespace trunkline::io
