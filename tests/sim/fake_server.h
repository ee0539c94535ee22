#pragma once

#include <map>
#include <string>

#include "base/random.h"
#include "io/loop.h"
#include "io/sim_backend.h"
#include "sim/journal.h"
#include "sim/peer.h"
#include "sim/postgres_model.h"

namespace trunkline::sim {

// How a fake server treats logins; chances out of 1,000.
struct ServerManners {
  uint32_t refuses = 0;        // FATAL 53300
  uint32_t drops = 0;          // closes in the middle of a login
  uint32_t hangs = 0;          // never answers a login
  bool asks_password = false;  // in plain text: what the proxy knows must arrive
};

// A PostgreSQL server on the simulated loop: logs clients in and answers by `PostgresModel`. Lives
// as long as the loop runs.
class FakeServer {
 public:
  FakeServer(io::Loop& loop, io::SimNetwork& network, const io::SocketAddress& address,
             const ServerManners& manners, uint64_t seed, Journal& journal);

  void start() { loop_.spawn(accept_loop()); }
  // Stops listening.
  void stop();
  size_t connections() const { return connections_; }

 private:
  struct Session {
    std::string name;
    std::string key;
    Peer& peer;
    bool cancelled = false;
  };

  bool chance(uint32_t of_1000) { return random_.below(1000) < of_1000; }
  io::Task<> accept_loop();
  io::Task<> serve(int fd);
  io::Task<> serve_session(Peer& peer, std::string name);
  io::Task<bool> ask_password(Peer& peer);
  io::Task<std::string> read_startup(Peer& peer);
  io::Task<> run(Session& session);
  void cancel(std::string_view body);

  io::Loop& loop_;
  io::SimNetwork& network_;
  const bool is_unix_;
  const ServerManners manners_;
  FastRandom random_;
  Journal& journal_;
  int listening_fd_;
  io::Acceptor acceptor_;
  io::Waiter waiter_;
  size_t connections_ = 0;
  std::map<uint32_t, Session*> sessions_;  // by process id
  uint32_t next_process_id_ = 1000;
};

inline constexpr std::string_view kPassword = "a simulated password";

}  // namespace trunkline::sim
