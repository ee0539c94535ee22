#include "app/snapshot.h"

#include <algorithm>
#include <string>
#include <utility>

#include "route/table.h"

namespace trunkline::app {

namespace {

// Beside a login for each client that may come in: room to tell those beyond `max_clients` so, and
// for cancel requests.
constexpr uint32_t kLoginsReserve = 100;

void append(std::vector<config::Problem>& to, std::vector<config::Problem> from) {
  std::ranges::move(from, std::back_inserter(to));
}

std::vector<std::shared_ptr<const session::Listener>> compile_listeners(
    const config::Config& config, tls::Findings& findings) {
  std::vector<std::shared_ptr<const session::Listener>> listeners;
  for (size_t i = 0; i < config.listen.size(); ++i) {
    const config::Listen& listen = config.listen[i];
    bool ends_tls = listen.tls.mode == config::ClientTlsMode::allow ||
                    listen.tls.mode == config::ClientTlsMode::require;
    listeners.push_back(std::make_shared<session::Listener>(session::Listener{
        .name = listener_name(listen),
        .tls_mode = listen.tls.mode,
        .tls = ends_tls ? tls::ClientContext::compile(
                              listen.tls, "listen[" + std::to_string(i) + "].tls", findings)
                        : nullptr,
        .proxy_protocol = listen.proxy_protocol,
        .is_unix = listen.is_unix()}));
  }
  return listeners;
}

}  // namespace

std::string listener_name(const config::Listen& listen) {
  if (listen.is_unix()) return listen.address + "/.s.PGSQL." + std::to_string(listen.port);
  bool is_v6 = listen.address.find(':') != std::string::npos;
  return (is_v6 ? "[" + listen.address + "]" : listen.address) + ":" + std::to_string(listen.port);
}

std::shared_ptr<const session::Snapshot> compile(const config::Config& config,
                                                 const session::Snapshot* previous,
                                                 Problems& problems) {
  auto snapshot = std::make_shared<session::Snapshot>();
  snapshot->login_timeout = config.login_timeout;
  snapshot->max_message_bytes = config.max_message_size;
  snapshot->memory_limit = config.memory_limit;
  snapshot->logins_max = config.max_clients + kLoginsReserve;
  snapshot->hooks = std::make_shared<policy::HookChain>();

  tls::Findings findings;
  snapshot->listeners = compile_listeners(config, findings);
  snapshot->upstreams = upstream::Set::compile(
      config, previous == nullptr ? nullptr : previous->upstreams.get(), findings);
  append(problems.errors, std::move(findings.errors));
  append(problems.warnings, config.warnings);
  append(problems.warnings, std::move(findings.warnings));

  auto auth = auth::compile(config);
  if (auth) {
    snapshot->auth = std::make_shared<const auth::AuthConfig>(std::move(*auth));
  } else {
    append(problems.errors, std::move(auth.error()));
  }
  if (snapshot->upstreams != nullptr) {
    auto routes = route::RouteTable::compile(config, snapshot->upstreams);
    if (routes) {
      snapshot->routes = std::move(*routes);
    } else {
      append(problems.errors, std::move(routes.error()));
    }
  }
  return problems.errors.empty() ? snapshot : nullptr;
}

}  // namespace trunkline::app
