#include <fmt/format.h>

#include "sim/world.h"

namespace trunkline::sim {

namespace {

constexpr std::string_view kConfig = R"(
login_timeout: 15s
max_clients: {clients}
listen:
  - {{ address: 192.0.2.100, port: 6432 }}
  - {{ address: /sim, port: 6432 }}
upstreams:
  main:
    servers:
      - {{ host: 10.0.0.1 }}
      - {{ host: {second} }}
    tls: {{ mode: {tls} }}
routes:
  - {{ match: {{ database: sim }}, upstream: main, auth: {auth} }}
authentication:
  - {{ method: {method} }}
)";

io::SimOptions random_network(FastRandom& random, uint64_t seed, bool faults) {
  io::SimOptions network{.seed = seed};
  if (random.below(8) > 0) {
    network.latency_max = Duration(random.below(3'000'000));
    network.buffer_bytes_min = 1 + random.below(4096);
    network.buffer_bytes_max = network.buffer_bytes_min + random.below(64 << 10);
    network.split_chance = static_cast<uint32_t>(random.below(400));
    network.short_write_chance = static_cast<uint32_t>(random.below(300));
    network.late_event_chance = static_cast<uint32_t>(random.below(300));
  }
  if (!faults) return network;
  network.refuse_chance = random.below(3) == 0 ? 200 : 0;
  network.lost_chance = random.below(3) == 0 ? 100 : 0;
  network.reset_chance = random.below(2) == 0 ? 300 : 0;
  network.reset_bytes_max = 1 + random.below(100'000);
  network.stall_chance = random.below(4) == 0 ? 5 : 0;
  network.stall_max = 30s;
  return network;
}

}  // namespace

// A third of the seeds are perfect worlds with orderly clients, in which everything is known
// exactly; a third has clients and servers that misbehave; the last third breaks everything.
Scenario::Scenario(uint64_t number) : seed(number) {
  FastRandom random(number);
  random.next();
  uint64_t kind = random.below(3);
  bool faults = kind == 2;
  orderly = kind == 0;
  network = random_network(random, number, faults);
  if (kind > 0) {
    uint64_t end = random.below(6);
    circumstances.drains = end <= 1;
    circumstances.kills = end == 2;
    ends_after = Duration(random.below(200'000'000));
  }
  if (faults) {
    manners.refuses = random.below(4) == 0 ? 300 : 0;
    manners.drops = random.below(4) == 0 ? 300 : 0;
    manners.hangs = random.below(6) == 0 ? 300 : 0;
  }
  bool relay = random.below(3) == 0;
  manners.asks_password = random.below(2) == 0;
  bool few_places = faults && random.below(6) == 0;
  bool little_memory = kind > 0 && random.below(4) == 0;
  if (little_memory) memory_limit = 128 << 10;
  circumstances.lossless =
      !faults && !little_memory && !circumstances.drains && !circumstances.kills;
  uint64_t clients = 1 + random.below(5);
  for (uint64_t i = 0; i < clients; ++i) scripts.push_back(random_script(random, orderly));
  // A server that asks for a password gets the one the client showed; plain, so that it is known.
  std::string_view method = relay || !manners.asks_password ? "trust" : "password";
  config = fmt::format(kConfig, fmt::arg("clients", few_places ? 2 : 1000),
                       fmt::arg("second", random.below(2) == 0 ? "10.0.0.2" : "/pg"),
                       fmt::arg("tls", random.below(2) == 0 ? "prefer" : "disable"),
                       fmt::arg("auth", relay ? "relay" : "terminate"), fmt::arg("method", method));
  if (method == "password") {
    config += "users:\n";
    for (uint64_t i = 0; i < clients; ++i) {
      config += fmt::format("  - {{ name: c{}, password: \"{}\" }}\n", i, kPassword);
    }
  }
}

std::string Scenario::describe() const {
  return fmt::format(
      "seed {}: {} clients, {}{}{}{}; latency {} us, buffers {}-{} bytes, split {}, short {}, "
      "late {}, refuse {}, lost {}, reset {}, stall {}, memory {}",
      seed, scripts.size(), orderly ? "orderly" : "disorderly",
      circumstances.lossless ? ", lossless" : "", circumstances.drains ? ", drained" : "",
      circumstances.kills ? ", killed" : "", to_us(network.latency_max), network.buffer_bytes_min,
      network.buffer_bytes_max, network.split_chance, network.short_write_chance,
      network.late_event_chance, network.refuse_chance, network.lost_chance, network.reset_chance,
      network.stall_chance, memory_limit);
}

}  // namespace trunkline::sim
