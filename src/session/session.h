#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/intrusive_list.h"
#include "base/short_string.h"
#include "base/time.h"
#include "io/address.h"
#include "io/task.h"
#include "io/waiter.h"
#include "policy/limits.h"
#include "policy/postgres_stats.h"
#include "pool/greetings.h"
#include "pool/pool.h"
#include "route/decision.h"
#include "route/facts.h"
#include "server/connection.h"
#include "session/client_login.h"
#include "session/environment.h"
#include "session/greeting.h"
#include "session/login_state.h"
#include "session/relay.h"
#include "session/relay_machine.h"
#include "tls/stream.h"

namespace trunkline::session {

// One client, from its first byte to its close. Owned by the worker that was handed its connection
// and used on that worker's thread; others reach it through the worker's mail. At rest it holds no
// buffer: two sockets, a few words of state, and the parts of the configuration that it uses.
// Before the relay `login_timeout` bounds its time, in the relay one buffer for each direction its
// memory.
//
//   greet ─► startup ─► authenticate ─► route ─► log in to a server ─► relay ─► close
//     ├────► cancel another session
//     └────► pass TLS through: route by SNI ─► connect ─► relay
class Session : public ListNode<Session> {
 public:
  Session(Environment& environment, uint32_t id, int fd, const io::SocketAddress& peer,
          std::shared_ptr<const Listener> listener);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Serve the client to its end, one after the other, once each; the session must outlive them.
  // Null when it is ready for `run`.
  io::Task<std::unique_ptr<Error>> begin();
  io::Task<std::unique_ptr<Error>> run();
  io::Task<> finish(std::unique_ptr<Error> end);

  uint32_t id() const { return id_; }

  // Ends the session: at once, or when the client is between transactions. The client is told with
  // FATAL where that is possible. Before the relay it always ends at once.
  void ask_to_end(const Error& error, bool when_idle);

  // Asks the server to cancel what runs. `done` is told what became of it, within `cancel_timeout`.
  void cancel(std::move_only_function<void(CancelOutcome)> done);

  // See `Relay`.
  Instant client_stalled_since() const;
  Instant server_stalled_since() const;

 private:
  struct Serving;  // what exists from the end of the login on
  struct Connected;
  struct Pooled;

  void enter_state(ClientState state);
  std::string last_words(const Error& error);
  std::string_view route_name() const;
  void send_cancel(const server::Connection& server,
                   std::move_only_function<void(CancelOutcome)> done);
  io::Task<> say_goodbye(const Error& error);
  void record_close(const Error& error);

  // login.cc: what all logins share, and `auth: terminate`
  io::Task<Result<>> log_in();
  io::Task<Result<>> start(StartupRequest request);
  io::Task<Result<>> start_terminated(StartupRequest& request, const route::Decision& decision);
  io::Task<Result<>> open_session(std::string greeting, const wire::StartupPacket& packet,
                                  std::string_view method);
  Result<> admit();
  Result<> check_login_rate(const std::optional<IpAddress>& source) const;
  Result<> check_startup(const wire::StartupPacket& packet) const;
  Result<> check_decision(const route::Decision& decision, const route::Facts& facts) const;
  Result<> enter_route(const route::Decision& decision, const route::Facts& facts);
  route::Facts route_facts() const;
  server::LoginContext login_context() const;
  void count_server_tls(const route::Decision& decision, server::TlsAttempts attempts);
  Result<> refused_by_server(server::Refusal refusal);
  // What a session with a server connection of its own begins with.
  struct Start {
    const route::Decision& decision;
    const wire::StartupPacket& packet;
    auth::Credentials credentials;
    std::string early;
    std::string_view method;
  };
  io::Task<Result<>> start_connected(Start start);
  io::Task<Result<server::LoggedIn>> log_in_to_server(Start& start, Instant& connect_began);
  Connected& connect_relay(const route::Decision& decision, server::Connection connection,
                           upstream::ServerCount counted, config::Inspect inspect,
                           Instant connect_began);
  void record_login(std::string_view method, policy::Encryption encryption);
  void count_handshake(const wire::StartupPacket& packet);

  // while_client_stays.h: what is done for a client that may go away meanwhile
  template <typename T>
  io::Task<Result<T>> while_client_stays(io::Task<T> task, bool has_asked);

  // pooled_login.cc: sessions that share server connections
  // False when only a server connection of its own will do for this client.
  io::Task<Result<bool>> start_pooled(const wire::StartupPacket& packet,
                                      const route::Decision& decision,
                                      const auth::Credentials& credentials, std::string early,
                                      std::string_view method);
  io::Task<std::expected<pool::Greetings::Greeting, server::Refusal>> learn_greeting(
      pool::PoolPtr& pool, pool::Settings settings, bool has_asked, Instant deadline);
  // pooled_defaults.cc: what ALTER ROLE gives new sessions
  io::Task<> check_defaults(pool::PoolPtr pool);
  io::Task<> learn_defaults(pool::PoolPtr pool, pool::ConnectionPtr connection, Instant deadline);

  // The same for a session of a pool, whose place it has there.
  io::Task<Result<>> start_with_own(Start start, pool::Place place);
  pool::PoolPtr pool_of(const wire::StartupPacket& packet, const route::Decision& decision,
                        const auth::Credentials& credentials);
  io::Task<Result<pool::Place>> take_place(pool::PoolPtr pool, bool has_asked);
  static bool needs_own_connection(const server::Refusal& refusal);

  // login_counts.cc
  void attribute_login(const route::Decision& decision, bool proven);
  void count_login();

  // relayed_login.cc: `auth: relay`
  io::Task<Result<>> start_relayed(StartupRequest& request, const route::Decision& decision);
  io::Task<Result<>> try_relayed(StartupRequest& request, const route::Decision& decision,
                                 server::Encryption encryption,
                                 std::optional<server::Encryption>& other);

  // passthrough.cc: `tls.mode: passthrough`
  io::Task<Result<>> pass_through(PassthroughRequest request);

  // cancel.cc
  io::Task<Error> forward_cancel(CancelRequest request);
  static CancelOutcome note_cancel(Environment& environment, uint32_t id, std::string_view server,
                                   const Result<>& sent);
  io::Task<CancelOutcome> cancel_target(CancelRegistry::Target target);
  io::Task<CancelOutcome> pass_cancel_through(CancelRequest request);

  Environment& environment_;
  const uint32_t id_;
  io::Waiter waiter_;  // outlives the sockets that are bound to it
  tls::Stream client_;
  io::SocketAddress peer_;
  std::shared_ptr<const Listener> listener_;
  std::shared_ptr<const policy::HookChain> hooks_;
  policy::Ticket ticket_;
  const Instant began_;
  ClientState state_ = ClientState::login;
  ShortString user_;
  ShortString database_;
  ShortString application_name_;
  ShortString sni_;
  std::unique_ptr<Serving> serving_;
  // The server's own ErrorResponse, to be passed on instead of ours.
  ShortString server_response_;
  std::unique_ptr<Error> end_asked_;   // and not yet told to a relay
  std::unique_ptr<LoginState> login_;  // up to the relay
};

}  // namespace trunkline::session
