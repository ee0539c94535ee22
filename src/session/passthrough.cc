#include <optional>
#include <utility>

#include "observe/log.h"
#include "route/explain.h"
#include "session/connected.h"
#include "session/session.h"
#include "session/while_client_stays.h"
#include "upstream/reach.h"

// `tls.mode: passthrough`: the server is picked by the name in the ClientHello, and the bytes go on
// as they come.
namespace trunkline::session {

namespace {

// Nothing can be told to a client that is in the middle of a TLS handshake with somebody else.
Error unheard(Error error) {
  if (error.detail.empty()) error.detail = std::move(error.message);
  error.message.clear();
  return error;
}

}  // namespace

io::Task<Result<>> Session::pass_through(PassthroughRequest request) {
  Instant deadline = began_ + login_->snapshot->login_timeout;
  sni_ = request.hello.sni;
  environment_.metrics.count_handshake("sni", sni_.empty() ? "no" : "yes");
  environment_.metrics.count_handshake("alpn", request.hello.alpn.empty() ? "no" : "yes");
  if (Result<> admitted = admit(); !admitted) co_return fail(unheard(std::move(admitted.error())));

  route::Facts facts = route_facts();
  if (Result<> allowed = hooks_->startup({.id = id_, .client = facts}); !allowed)
    co_return fail(unheard(allowed.error()));
  route::Decision decision = co_await login_->snapshot->routes->route(facts);
  if (Result<> routed = check_decision(decision, facts); !routed)
    co_return fail(unheard(routed.error()));
  if (Result<> entered = enter_route(decision, facts); !entered)
    co_return fail(unheard(entered.error()));

  server::LoginContext context = login_context();
  // A stranger's name is counted under once there is a server of that name.
  std::optional<upstream::ServerCount> counted(
      environment_.count_server(decision.upstream->configured_name()));
  Instant connect_began = environment_.loop.now();
  // After an SSLRequest the client has its 'S' from us; the server's is read there, and nothing
  // behind it.
  auto encryption = request.direct ? server::Encryption::never : server::Encryption::of_client;
  auto opened = co_await while_client_stays(upstream::open(decision.upstream, encryption, context,
                                                           environment_.process.resolver, deadline),
                                            false);
  if (!opened) co_return fail(std::move(opened.error()));
  if (!*opened) co_return fail(unheard(std::move(opened->error().error)));
  counted.emplace(environment_.count_server(decision.upstream->name()));
  server::Connection connection{.stream = std::move((*opened)->stream),
                                .endpoint = std::move((*opened)->endpoint)};
  Connected& connected = connect_relay(decision, std::move(connection), std::move(*counted),
                                       config::Inspect::bytes, connect_began);
  connected.early->of_client = std::move(request.bytes);
  record_login("passthrough", policy::Encryption::passed_through);
  co_return Result<>{};
}

}  // namespace trunkline::session
