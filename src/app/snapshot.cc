#include "app/snapshot.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "config/loader.h"
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

// "routes[1]" of "routes[1].match.user", "upstreams.main" of "upstreams.main.tls.ca".
std::string_view element_of(std::string_view key) {
  size_t bracket = key.find(']');
  if (bracket != std::string_view::npos) return key.substr(0, bracket + 1);
  return key.substr(0, key.find('.', key.find('.') + 1));
}

// Whether a problem may be nothing but the echo of one that the loader has seen: it is about the
// same line, or the same element of the file.
bool follows_from(const config::Problem& problem, std::span<const config::Problem> known) {
  return std::ranges::any_of(known, [&](const config::Problem& cause) {
    bool same_line = cause.at.file == problem.at.file && cause.at.line == problem.at.line;
    return same_line || element_of(cause.key) == element_of(problem.key);
  });
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
  snapshot->cancel_timeout = config.cancel_timeout;
  snapshot->tcp_user_timeout = config.tcp_user_timeout;
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
  auto routes = route::RouteTable::compile(config, snapshot->upstreams);
  if (routes) {
    snapshot->routes = std::move(*routes);
  } else {
    append(problems.errors, std::move(routes.error()));
  }
  return problems.errors.empty() ? snapshot : nullptr;
}

Loaded load(const std::string& file, const session::Snapshot* previous) {
  config::Loaded read = config::load(file);
  Loaded result;
  if (read.errors.empty()) {
    result.snapshot = compile(read.config, previous, result.problems);
  } else {
    // Whoever mends the file wants to hear of everything at once. What is left of it serves nobody:
    // `previous` has no part in this.
    Problems more;
    compile(read.config, nullptr, more);
    std::erase_if(more.errors, [&](const auto& found) { return follows_from(found, read.errors); });
    result.problems.errors = std::move(read.errors);
    append(result.problems.errors, std::move(more.errors));
  }
  result.config = std::move(read.config);
  std::ranges::sort(result.problems.errors, {}, [&](const config::Problem& problem) {
    return std::tuple(problem.at.file != result.config.file, problem.at.file, problem.at.line,
                      problem.at.column, problem.text);
  });
  return result;
}

}  // namespace trunkline::app
