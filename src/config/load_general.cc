#include "config/sections.h"

namespace trunkline::config {

namespace {

void load_workers(const Value& value, Config& config) {
  if (value.node().kind == YamlNode::Kind::scalar && value.node().scalar == "auto") return;
  if (auto number = value.text()) {
    auto workers = parse_integer(*number);
    if (workers && *workers >= 1 && *workers <= kWorkersMax) {
      config.workers = static_cast<uint32_t>(*workers);
    } else {
      value.error("found " + value.found() + "; allowed: auto, or a number from 1 to " +
                  std::to_string(kWorkersMax));
    }
  }
}

void load_log(const Mapping& root, Config& config) {
  bool level_given = false;
  if (auto value = root.find("log")) {
    Mapping log(*value, "log");
    log.read("level", config.log.level);
    log.read("format", config.log.format);
    level_given = log.has("level");
  }
  bool debug = false;
  root.read("debug", debug);
  if (debug && level_given && config.log.level != LogLevel::debug) {
    root.find("debug")->error("`debug: true` and `log.level` say different things; keep one");
  } else if (debug) {
    config.log.level = LogLevel::debug;
  }
}

void load_metrics(const Value& value, Config& config) {
  Mapping metrics(value, "metrics");
  auto prefix = metrics.find("prefix");
  if (!prefix) return;
  auto text = prefix->text();
  if (!text) return;
  // Prometheus' data model: metric names are [a-zA-Z_:][a-zA-Z0-9_:]*, colons left to rules.
  bool good =
      text->find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
          std::string::npos &&
      text->find_first_of("0123456789") != 0;
  if (!good) {
    prefix->error("found " + prefix->found() +
                  "; allowed: letters, digits and `_`, not starting with a digit");
    return;
  }
  config.metrics_prefix = *text;
}

}  // namespace

void load_general(const Mapping& root, Config& config) {
  root.read_integer("node_id", config.node_id, 0, kNodeIdMax);
  if (auto file = root.find("secret_file")) config.secret = file->secret_file();
  root.read("login_timeout", config.login_timeout, kTimeoutMin, kTimeoutMax);
  root.read("shutdown_timeout", config.shutdown_timeout, kTimeoutMin, kTimeoutMax);
  root.read("cancel_timeout", config.cancel_timeout, kTimeoutMin, kTimeoutMax);
  root.read("tcp_user_timeout", config.tcp_user_timeout, kTimeoutMin, kTimeoutMax);
  root.read_integer("max_clients", config.max_clients, 1, kClientsMax);
  root.read_integer("max_clients_per_source", config.max_clients_per_source, 1, kClientsMax);
  root.read_integer("max_clients_per_user", config.max_clients_per_user, 1, kClientsMax);
  root.read_integer("max_clients_per_database", config.max_clients_per_database, 1, kClientsMax);
  root.read_integer("max_logins_per_second_per_source", config.max_logins_per_second_per_source, 1,
                    kClientsMax);
  root.read_integer("max_connections_per_database", config.max_connections_per_database, 1,
                    kConnectionsMax);
  root.read_integer("max_connections_per_user", config.max_connections_per_user, 1,
                    kConnectionsMax);
  root.read_integer("max_connections_per_server", config.max_connections_per_server, 1,
                    kConnectionsMax);
  if (auto pool = root.find("pool")) load_pool(*pool, config.pool);
  if (auto query = root.find("auth_query")) load_auth_query(*query, config.auth_query);
  root.read_integer("max_dynamic_upstreams", config.max_dynamic_upstreams, 1, kClientsMax);
  root.read_size("max_message_size", config.max_message_size, kMessageSizeMin, kMessageSizeMax);
  root.read_size("memory_limit", config.memory_limit, kMemoryLimitMin, kMemoryLimitMax);
  if (auto workers = root.find("workers")) load_workers(*workers, config);
  if (auto metrics = root.find("metrics")) load_metrics(*metrics, config);
  if (auto admin = root.find("admin")) load_admin(*admin, config);
  load_log(root, config);
}

}  // namespace trunkline::config
