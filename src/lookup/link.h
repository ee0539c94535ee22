#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "auth/key_cache.h"
#include "base/time.h"
#include "config/model.h"
#include "io/loop.h"
#include "io/task.h"
#include "lookup/answer.h"
#include "server/connection.h"
#include "tls/handshake_gate.h"
#include "upstream/reach.h"
#include "upstream/server_count.h"

namespace trunkline::lookup {

// What a look-up runs on: a worker, on its thread. All of it outlives the worker's coroutines.
struct Context {
  io::Loop& loop;
  uint32_t worker;  // also the writer's number in `metrics`
  tls::HandshakeGate& handshakes;
  auth::KeyCache& key_cache;
  upstream::Resolver& resolver;
  observe::Registry& metrics;
};

// A server connection of the proxy's own that asks for users. Nothing of a client's has a part in
// it. Owned by the look-up that uses it, on the thread of its loop, or idle by its `Directory`:
// then it is packed, and belongs to no loop.
class Link {
 public:
  // Logs in; the deadline covers all of it.
  static io::Task<std::expected<std::unique_ptr<Link>, server::Refusal>> open(
      Context context, upstream::UpstreamPtr upstream,
      std::shared_ptr<const config::AuthQuery> settings, std::string database, Instant deadline);

  const std::string& database() const { return database_; }
  // What the server counts iterations of new verifiers with; nullopt before PostgreSQL 16.
  std::optional<uint32_t> scram_iterations() const { return scram_iterations_; }

  enum class End : uint8_t {
    complete,  // it can be asked again
    broken,    // it cannot; what it said counts
    lost,      // it broke off
    timed_out,
  };
  io::Task<End> ask(std::string query, std::string user, Answer& answer, Instant deadline);

  // Ends what it was asked, which may run on after the connection is closed, and closes it.
  io::Task<> give_up(Context context);

  // False when it cannot be kept.
  bool pack(Instant now);
  void unpack(const Context& context);
  Instant idle_since() const { return idle_since_; }
  // Not while it is packed.
  void close(bool can_hear) { server::close(connection_, can_hear); }

 private:
  Link(server::Connection connection, std::string database, upstream::ServerCount count)
      : connection_(std::move(connection)),
        database_(std::move(database)),
        count_(std::move(count)) {}
  void hear_greeting(std::string_view greeting);

  server::Connection connection_;
  const std::string database_;
  std::optional<uint32_t> scram_iterations_;
  std::optional<tls::DetachedStream> parcel_;  // in place of the stream, while it is packed
  Instant idle_since_ = {};
  upstream::ServerCount count_;
};

}  // namespace trunkline::lookup
