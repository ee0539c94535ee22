#pragma once

#include <string>

#include "base/random.h"
#include "io/loop.h"
#include "sim/journal.h"
#include "sim/peer.h"
#include "sim/postgres_model.h"
#include "sim/script.h"
#include "wire/message_buffer.h"

namespace trunkline::sim {

// What a client may take for granted in its simulation.
struct Circumstances {
  bool lossless = true;  // nothing breaks connections, ends sessions or refuses them
  bool drains = false;   // sessions are ended between transactions at some time
  bool kills = false;    // sessions are ended at some time, wherever they are
};

// One client: comes, logs in, follows its script and compares every message it receives with what
// its own `PostgresModel` answers. Lives until `run` has ended.
class FakeClient {
 public:
  FakeClient(io::Loop& loop, std::string name, io::SocketAddress proxy, Script script,
             const Circumstances& circumstances, uint64_t seed, Journal& journal);

  io::Task<> run(Duration delay);
  bool done() const { return done_ && cancels_ == 0; }

 private:
  enum class Login : uint8_t { succeeded, failed };

  io::Task<> serve(Peer& peer);
  io::Task<Login> log_in(Peer& peer);
  io::Task<> follow_script(Peer& peer);
  io::Task<> leave(Peer& peer);
  io::Task<> exchange(Peer& peer, bool to_the_end);
  io::Task<> cancel_until_it_ends(Peer& peer);
  io::Task<> cancel();
  io::Task<> send_cancel(io::Socket socket, std::string request);
  void start_step(Peer& peer, const Step& step);
  bool on_login_message(Peer& peer, char type, std::string_view body);
  void check(Peer& peer);
  void check_message(char type, std::string_view body, std::string_view message);
  void check_farewell_of_proxy(std::string_view body);
  void check_end(const Peer& peer);
  size_t next_read();
  void problem(const std::string& text);

  io::Loop& loop_;
  const std::string name_;
  const io::SocketAddress proxy_;
  const Script script_;
  const Circumstances circumstances_;
  FastRandom random_;
  Journal& journal_;
  PostgresModel model_;
  wire::MessageBuffer messages_{wire::kServerRules, 4 << 20};
  bool reads_slowly_;
  bool done_ = false;
  bool sent_garbage_ = false;
  bool was_told_to_go_ = false;  // by a FATAL of the proxy
  bool ready_ = true;            // the last message was ReadyForQuery, outside a transaction
  int cancels_ = 0;              // under way
  std::string key_data_;
};

}  // namespace trunkline::sim
