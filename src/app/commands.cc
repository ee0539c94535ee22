#include "app/commands.h"

#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "app/hardening.h"
#include "app/proxy.h"
#include "app/signals.h"
#include "app/snapshot.h"
#include "config/loader.h"
#include "config/print.h"
#include "observe/log.h"
#include "route/explain.h"

namespace trunkline::app {

namespace {

void print(FILE* to, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), to);
}

// Loads and compiles; prints everything that is wrong or doubtful.
std::optional<Loaded> load_and_tell(const std::string& named) {
  std::optional<std::string> file = named.empty() ? config::find_config_file() : named;
  if (!file) {
    print(stderr,
          "trunkline: no configuration: name a FILE, set CONFIG_PATH, or make ./trunkline.yaml,\n"
          "/etc/trunkline/trunkline.yaml or ./config.yaml\n");
    return std::nullopt;
  }
  Loaded loaded = load(*file, nullptr);
  print(stderr, config::print_warnings(loaded.problems.warnings));
  print(stderr, config::print_errors(loaded.problems.errors));
  if (loaded.snapshot == nullptr) return std::nullopt;
  return loaded;
}

}  // namespace

int run_proxy(const std::string& file) {
  block_signals(kSignals);
  ignore_broken_pipes();
  raise_descriptor_limit();
  if (!forbid_core_dumps()) {
    print(stderr, "trunkline: core dumps could not be forbidden: passwords would be in them\n");
    return kExitBadConfig;
  }
  std::optional<Loaded> loaded = load_and_tell(file);
  if (!loaded) return kExitBadConfig;
  observe::LogThread log;
  Proxy proxy(std::move(loaded->config), std::move(loaded->snapshot));
  if (auto listening = proxy.listen(); !listening) {
    print(stderr, "trunkline: " + listening.error());
    return kExitCannotListen;
  }
  proxy.run();
  return kExitClean;
}

int check_config(const std::string& file) {
  std::optional<Loaded> loaded = load_and_tell(file);
  if (!loaded) return kExitBadConfig;
  print(stdout, config::print_summary(loaded->config));
  print(stdout, route::describe(*loaded->snapshot->routes));
  return kExitClean;
}

int explain_route(const std::string& file, const RouteQuestion& question) {
  // Such a client does not exist, and an answer about another one would mislead.
  if (question.user.empty() && !(question.database.empty() && question.application_name.empty())) {
    print(stderr, "trunkline: --database and --application-name need --user\n");
    return kExitUsage;
  }
  std::optional<Loaded> loaded = load_and_tell(file);
  if (!loaded) return kExitBadConfig;
  route::Facts facts{.tls = question.tls || !question.sni.empty()};
  if (!question.sni.empty()) facts.sni = question.sni;
  if (!question.user.empty()) {
    facts.user = question.user;
    facts.database = question.database.empty() ? question.user : question.database;
    facts.application_name = question.application_name;
  }
  if (!question.source.empty()) {
    facts.source = IpAddress::parse(question.source);
    if (!facts.source) {
      print(stderr, "trunkline: --source: \"" + question.source + "\" is not an IP address\n");
      return kExitUsage;
    }
  }
  print(stdout, route::explain(*loaded->snapshot->routes, facts));
  return kExitClean;
}

}  // namespace trunkline::app
