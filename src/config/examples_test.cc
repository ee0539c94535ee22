#include <gtest/gtest.h>

#include "config/test_support.h"

namespace trunkline::config {
namespace {

Config example(const std::string& name) {
  World variables{.variables = {{"APP_PASSWORD", "app"}, {"ALICE_VERIFIER", "alice"}}};
  Environment environment = variables.environment();
  environment.read_file = [](const std::string& path, size_t bytes_max) {
    // What an example names outside its folder is not there on every machine.
    bool is_ours = path.starts_with(project_folder().string());
    return is_ours ? system_environment().read_file(path, bytes_max) : "elsewhere\n";
  };
  auto path = project_folder() / "examples" / name;
  auto config = load_text(read_whole(path), path, environment);
  if (config) return std::move(*config);
  ADD_FAILURE() << print_errors(config.error());
  return {};
}

TEST(Examples, load_without_a_warning) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(project_folder() / "examples")) {
    if (entry.path().extension() != ".yaml") continue;
    // To another name's md5 there is no way; the example says so itself.
    bool renames = entry.path().filename() == "pgmux.yaml";
    EXPECT_EQ(example(entry.path().filename()).warnings.size(), renames ? 1u : 0u) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 4u);
}

TEST(Examples, are_what_they_say) {
  EXPECT_EQ(example("minimal.yaml").routes.at(0).auth, AuthMode::relay);
  Config pgproxy = example("pgproxy.yaml");
  EXPECT_EQ(pgproxy.listen.at(0).tls.mode, ClientTlsMode::passthrough);
  EXPECT_EQ(pgproxy.routes.at(1).upstream, "host2.example.internal:5433");
  Config pgmux = example("pgmux.yaml");
  EXPECT_EQ(pgmux.routes.at(0).login->user, "postgres");
  Config full = example("full.yaml");
  EXPECT_EQ(full.routes.at(1).login->password->reveal(), "app");
  EXPECT_EQ(full.users.size(), 3u);
}

// The contract's own example, less the keys whose part of the product has not come.
TEST(Examples, of_the_contract_load) {
  World world{.files = {{"/run/secrets/app", "secret\n"},
                        {"/var/lib/trunkline/secret", "key\n"},
                        {"/etc/t/userlist.txt", "\"bob\" \"pw\"\n"}}};
  Config config = config_of(R"(
node_id: 0
secret_file: /var/lib/trunkline/secret
login_timeout: 15s
max_clients: 10000
max_message_size: 1MiB
memory_limit: 1GiB
workers: auto
log: { level: info, format: text }
shutdown_timeout: 30s
listen:
  - address: 0.0.0.0
    port: 6432
    proxy_protocol: { mode: off, from: [10.0.0.0/8] }
    tls:
      mode: allow
      certificates:
        - { cert: tls/default.crt, key: tls/default.key }
        - { names: ["*.eu.example.com"], cert: tls/eu.crt, key: tls/eu.key }
      client_certificate: none
      client_ca: tls/clients-ca.crt
      min_version: "1.2"
admin:
  address: 127.0.0.1
  port: 6433
metrics: { prefix: trunkline }
upstreams:
  main:
    servers:
      - { host: 10.0.0.1, port: 5432 }
    tls:
      mode: prefer
      negotiation: starttls
      ca: tls/server-ca.crt
      server_name: db.internal
      cert: tls/proxy.crt
      key: tls/proxy.key
    connect_timeout: 5s
routes:
  - match:
      sni: "host1.example.com"
      user: [alice, "svc_*"]
      database: /app_(\d+)/
      application_name: "etl*"
      source: [10.0.0.0/8, "::1/128"]
      tls: true
    upstream: main
    database: "shard_$1"
    login: { user: app, password_file: /run/secrets/app }
    auth: terminate
    inspect: messages
    max_clients: 500
  - reject: "no such database"
users:
  - { name: alice, password: "SCRAM-SHA-256$4096:x" }
users_file: userlist.txt
authentication:
  - { type: local, method: peer }
  - { type: hostssl, user: svc_cert, method: cert }
  - { type: host, source: 10.0.0.0/8, method: scram-sha-256 }
  - { method: reject }
mappings:
  - { external: host1.example.com, internal: host1.example.internal, port: 5432 }
user_mappings:
  app_user: { host: 10.0.1.50, port: 5432, user: postgres }
debug: false
)",
                            world);
  ASSERT_EQ(config.routes.size(), 5u);
  const Route& route = config.routes[0];
  EXPECT_EQ(route.match.database.at(0).text, "app_(\\d+)");
  EXPECT_EQ(route.login->password->reveal(), "secret");
  EXPECT_EQ(route.database, "shard_$1");
  EXPECT_EQ(config.users.size(), 2u);
  EXPECT_EQ(config.upstreams.size(), 3u);
  EXPECT_EQ(config.authentication.size(), 4u);
  EXPECT_EQ(config.listen.at(0).tls.certificates.at(1).names.at(0), "*.eu.example.com");
}

}  // namespace
}  // namespace trunkline::config
