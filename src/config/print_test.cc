#include "config/print.h"

#include "config/test_support.h"

namespace trunkline::config {
namespace {

TEST(Print, writes_problems_as_a_compiler_does) {
  std::vector<Problem> problems = {{{"a.yaml", 3, 7}, "listen.port", "wrong"},
                                   {{"a.yaml"}, "", "cannot read"}};
  EXPECT_EQ(print_errors(problems),
            "a.yaml:3:7: error: listen.port: wrong\n"
            "a.yaml: error: cannot read\n");
  EXPECT_EQ(print_warnings(problems),
            "a.yaml:3:7: warning: listen.port: wrong\n"
            "a.yaml: warning: cannot read\n");
}

TEST(Print, sums_up_a_configuration_without_its_secrets) {
  Config config = config_of(R"(
listen:
  - address: "::1"
    proxy_protocol: { mode: require, from: 10.0.0.0/8 }
    tls:
      certificates: [{ cert: a, key: b }]
      client_certificate: request
      client_ca: c
  - address: /run
admin: {}
upstreams:
  main: { servers: [{ host: db }, { host: /run/pg, port: 1 }] }
users: [{ name: alice, password: hunter2 }]
authentication:
  - { type: local, database: [replication, "/x/"], user: alice, method: peer, map: m }
  - { type: hostssl, source: [10.0.0.0/8, "::1"], method: md5, client_certificate: verify-ca }
ident: [{ map: m, system_user: a, database_user: b }]
)");
  EXPECT_EQ(print_summary(config),
            "listen [::1]:6432, TLS allow, certificates: 1, client certificate: request, PROXY "
            "protocol: require\n"
            "listen /run/.s.PGSQL.6432, TLS disable\n"
            "admin 127.0.0.1:6433\n"
            "upstream main: db:5432, /run/pg/.s.PGSQL.1, TLS prefer, connect timeout 5s\n"
            "users: 1\n"
            "rule local: database replication,/x/, user alice, source all: peer, map m\n"
            "rule hostssl: database all, user all, source 10.0.0.0/8,::1/128: md5, verify-ca\n"
            "limits: 10000 clients, 1GiB of buffers, login within 15s\n");
}

}  // namespace
}  // namespace trunkline::config
