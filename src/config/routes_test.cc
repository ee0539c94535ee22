#include <gtest/gtest.h>

#include "config/test_support.h"

namespace trunkline::config {
namespace {

std::string with_route(const std::string& route) {
  return kMinimal + "routes: [{" + route + "}]\n";
}

TEST(Upstreams, reads_servers_and_tls) {
  Config config = config_of(kListen + R"(
upstreams:
  a.b-1_2:
    servers: [{host: 10.0.0.1}, {host: "fd00::1", port: 1}, {host: /run/pg}]
    tls: {mode: verify-full, negotiation: direct, ca: ca, server_name: x.y, cert: c, key: k}
    connect_timeout: 250ms
)");
  const Upstream& upstream = config.upstreams.at("a.b-1_2");
  ASSERT_EQ(upstream.servers.size(), 3u);
  EXPECT_EQ(upstream.servers[0].port, 5432);
  EXPECT_EQ(upstream.servers[1].host, "fd00::1");
  EXPECT_TRUE(upstream.servers[2].is_unix());
  EXPECT_EQ(upstream.tls.mode, ServerTlsMode::verify_full);
  EXPECT_EQ(upstream.tls.negotiation, TlsNegotiation::direct);
  EXPECT_EQ(upstream.tls.ca_file, "/etc/t/ca");
  EXPECT_EQ(upstream.tls.server_name, "x.y");
  EXPECT_EQ(upstream.tls.cert_file, "/etc/t/c");
  EXPECT_EQ(upstream.tls.key_file, "/etc/t/k");
  EXPECT_EQ(upstream.connect_timeout, 250ms);
}

TEST(Upstreams, refuses_names_that_are_none) {
  auto named = [](const std::string& name) {
    return errors_of(kListen + "upstreams: {" + name + ": {servers: {host: h}}}\n");
  };
  const std::string wrong =
      "the name of an upstream has 1 to 63 letters, digits, `-`, `_` or `.`\n";
  EXPECT_EQ(named(std::string(63, 'u')), "");
  EXPECT_TRUE(named(std::string(64, 'u')).ends_with(wrong));
  EXPECT_TRUE(named("'a:1'").ends_with(wrong));
  EXPECT_TRUE(named("''").ends_with(wrong));
  EXPECT_EQ(errors_of(kListen + "upstreams: {a: {}}\n"),
            "2:16: error: upstreams.a: the key `servers` is missing here\n");
}

TEST(Upstreams, refuse_tls_settings_that_contradict_each_other) {
  auto with = [](const std::string& tls) {
    return kListen + "upstreams: {a: {servers: {host: h}, tls: {" + tls +
           "}}}\nusers: [{name: a}]\n";
  };
  EXPECT_EQ(errors_of(with("negotiation: direct")),
            "2:56: error: upstreams.a.tls.negotiation: direct needs mode require, verify-ca or "
            "verify-full: in mode prefer the server must be asked first\n");
  EXPECT_EQ(errors_of(with("negotiation: direct, mode: allow")),
            "2:56: error: upstreams.a.tls.negotiation: direct needs mode require, verify-ca or "
            "verify-full: in mode allow the server must be asked first\n");
  EXPECT_EQ(errors_of(with("negotiation: direct, mode: require")), "");
  EXPECT_EQ(errors_of(with("cert: c")),
            "2:42: error: upstreams.a.tls: `key` is missing beside `cert`\n");
  EXPECT_EQ(errors_of(with("key: c")),
            "2:42: error: upstreams.a.tls: `cert` is missing beside `key`\n");
  EXPECT_EQ(warnings_of(with("ca: c, mode: require")),
            "/etc/t/t.yaml:2:47: warning: upstreams.a.tls.ca: not used in mode require; verify-ca "
            "and verify-full use it\n");
}

TEST(Routes, read_every_kind_of_match) {
  Config config = config_of(with_route(
      "match: {sni: '*.x', user: [a, 's_*', '/u(\\d)/'], database: d, application_name: e, "
      "source: ['10.0.0.0/8', '::1'], tls: false}, upstream: main, max_clients: 7"));
  const Match& match = config.routes.at(0).match;
  EXPECT_EQ(match.sni.at(0).kind, Pattern::Kind::wildcard);
  EXPECT_EQ(match.user.at(0).kind, Pattern::Kind::exact);
  EXPECT_EQ(match.user.at(1).kind, Pattern::Kind::wildcard);
  EXPECT_EQ(match.user.at(2).kind, Pattern::Kind::regex);
  EXPECT_EQ(match.user.at(2).text, "u(\\d)");
  EXPECT_EQ(match.source.size(), 2u);
  EXPECT_EQ(match.tls, false);
  EXPECT_EQ(config.routes[0].max_clients, 7u);
  EXPECT_EQ(config.routes[0].auth, AuthMode::terminate);
}

TEST(Routes, read_an_upstream_of_their_own) {
  Config config = config_of(
      with_route("match: {sni: '/(.*)\\.x/'}, database: '$1', upstream: {host: '$1.y', port: 1, "
                 "tls: {mode: disable}, connect_timeout: 1s}"));
  const Upstream& upstream = *config.routes.at(0).inline_upstream;
  EXPECT_EQ(upstream.servers.at(0).host, "$1.y");
  EXPECT_EQ(upstream.servers.at(0).port, 1);
  EXPECT_EQ(upstream.tls.mode, ServerTlsMode::disable);
  EXPECT_EQ(upstream.connect_timeout, 1s);
}

TEST(Routes, refuse_captures_without_an_expression) {
  EXPECT_EQ(errors_of(with_route("upstream: {host: 'h$1'}")),
            "3:28: error: routes[0].upstream.host: found `h$1`; a capture needs a regular "
            "expression with that many groups in `match`\n");
  EXPECT_EQ(errors_of(with_route("upstream: main, database: 'a$$1'")), "");
}

TEST(Routes, need_an_upstream_or_a_reject_and_not_both) {
  EXPECT_EQ(errors_of(with_route("match: {tls: true}")),
            "3:10: error: routes[0]: a route needs `upstream` or `reject`\n");
  for (const std::string other : {"upstream: main", "database: x", "login: {user: u}",
                                  "auth: relay", "inspect: bytes", "max_clients: 1"}) {
    std::string name = other.substr(0, other.find(':'));
    EXPECT_TRUE(
        errors_of(with_route("reject: 'no', " + other))
            .ends_with("routes[0].reject: a route that rejects cannot have `" + name + "`\n"))
        << other;
  }
  EXPECT_EQ(config_of(with_route("reject: 'no such database'")).routes.at(0).reject,
            "no such database");
}

TEST(Routes, with_relay_cannot_log_in_with_a_password) {
  World world{.files = {{"/etc/t/pw", "x"}}};
  const std::string wrong =
      ": a password here and `auth: relay` exclude each other: the client itself answers the "
      "server\n";
  EXPECT_EQ(errors_of(with_route("upstream: main, auth: relay, login: {user: u, password: x}")),
            "3:47: error: routes[0].login" + wrong);
  EXPECT_EQ(
      errors_of(with_route("upstream: main, auth: relay, login: {user: u, password_file: pw}"),
                world),
      "3:47: error: routes[0].login" + wrong);
  EXPECT_EQ(
      warnings_of(with_route("upstream: main, auth: relay, login: {user: u}")),
      "/etc/t/t.yaml:3:47: warning: routes[0].login: with `auth: relay` md5 fails for another "
      "user: the client's answer is made with its own name\n");
}

TEST(Routes, warn_of_relay_between_two_ends_of_tls) {
  const std::string listen = "listen: {tls: {certificates: [{cert: a, key: b}]}}\n";
  auto warnings = [&](const std::string& tls, const std::string& match) {
    return warnings_of(listen + "upstreams: {main: {servers: {host: h}, tls: {mode: " + tls +
                       "}}}\nroutes: [{" + match + "upstream: main, auth: relay}]\n");
  };
  EXPECT_TRUE(warnings("prefer", "").find("channel binding") != std::string::npos);
  EXPECT_EQ(warnings("disable", ""), "");
  EXPECT_EQ(warnings("prefer", "match: {tls: false}, "), "");
}

TEST(Routes, beside_a_passthrough_listener_match_what_it_can_see) {
  const std::string head = "listen: {tls: {mode: passthrough}}\n" + kUpstream;
  for (const std::string what :
       {"match: {user: a}", "match: {database: a}", "match: {application_name: a}", "database: x",
        "login: {user: u}"}) {
    std::string errors = errors_of(head + "routes: [{upstream: main, " + what + "}]\n");
    EXPECT_TRUE(errors.starts_with("3:10: error: routes[0]: this route has `")) << errors;
    EXPECT_TRUE(errors.find("the listener of line 1 has TLS mode passthrough") != std::string::npos)
        << errors;
  }
  EXPECT_EQ(errors_of(head + "routes: [{upstream: main, match: {sni: a, source: 10.0.0.0/8}}]\n"),
            "");
  EXPECT_EQ(errors_of(head + "routes: [{upstream: main, match: {user: a, tls: false}}]\n"), "");
}

TEST(Routes, warn_of_what_is_never_used) {
  EXPECT_EQ(
      warnings_of(kMinimal + "users: [{name: a}]\n"
                             "routes:\n  - {upstream: main}\n  - {reject: x}\n  - {reject: y}\n"),
      "/etc/t/t.yaml:6:5: warning: routes[1]: never reached: the route of line 5 matches "
      "every client\n");
  EXPECT_EQ(warnings_of(with_route("reject: x")),
            "/etc/t/t.yaml:2:19: warning: upstreams.main: no route names it\n");
}

TEST(Routes, are_needed_where_there_is_a_choice) {
  Config only = config_of(kMinimal);
  ASSERT_EQ(only.routes.size(), 1u);
  EXPECT_EQ(only.routes[0].upstream, "main");
  EXPECT_EQ(errors_of(kListen + "upstreams: {a: {servers: {host: h}}, b: {servers: {host: h}}}\n"),
            "1:1: error: `routes` is missing: there are several upstreams to choose from\n");
  EXPECT_EQ(errors_of(kListen),
            "1:1: error: there is no way to a server: give `upstreams`, `routes`, `mappings` or "
            "`user_mappings`\n");
}

TEST(ShortForms, mappings_choose_by_sni_and_pass_tls_through) {
  Config config = config_of(kListen + R"(
mappings:
  - { external: a.example.com, internal: a.internal, port: 5433 }
  - { external: "*.example.com", internal: "fd00::1" }
  - { external: c, internal: a.internal, port: 5433 }
)");
  EXPECT_EQ(config.listen.at(0).tls.mode, ClientTlsMode::passthrough);
  ASSERT_EQ(config.routes.size(), 3u);
  EXPECT_EQ(config.routes[0].auth, AuthMode::relay);
  EXPECT_EQ(config.routes[0].match.sni.at(0).text, "a.example.com");
  EXPECT_EQ(config.routes[0].upstream, "a.internal:5433");
  EXPECT_EQ(config.routes[1].match.sni.at(0).kind, Pattern::Kind::wildcard);
  EXPECT_EQ(config.routes[1].upstream, "[fd00::1]:5432");
  EXPECT_EQ(config.routes[2].upstream, "a.internal:5433");
  ASSERT_EQ(config.upstreams.size(), 2u);
  EXPECT_EQ(config.upstreams.at("a.internal:5433").servers.at(0).port, 5433);
}

TEST(ShortForms, one_mapping_alone_also_serves_clients_without_tls) {
  Config config = config_of(kListen + "mappings: [{external: a, internal: b}]\n");
  ASSERT_EQ(config.routes.size(), 2u);
  EXPECT_TRUE(config.routes[1].match.sni.empty());
  EXPECT_EQ(config.routes[1].match.tls, false);
  EXPECT_EQ(config.routes[1].upstream, "b:5432");
  EXPECT_EQ(config.routes[1].auth, AuthMode::relay);
}

TEST(ShortForms, a_listener_keeps_the_mode_it_was_given) {
  Config config = config_of(
      "listen:\n"
      "  - {port: 1, tls: {mode: disable}}\n"
      "  - {port: 2, tls: {certificates: [{cert: a, key: b}]}}\n"
      "  - {port: 3, tls: {min_version: 1.3}}\n"
      "  - {address: /run}\n"
      "mappings: [{external: a, internal: b}]\n");
  EXPECT_EQ(config.listen.at(0).tls.mode, ClientTlsMode::disable);
  EXPECT_EQ(config.listen.at(1).tls.mode, ClientTlsMode::allow);
  EXPECT_EQ(config.listen.at(2).tls.mode, ClientTlsMode::passthrough);
  EXPECT_EQ(config.listen.at(3).tls.mode, ClientTlsMode::disable);
}

TEST(ShortForms, refuse_what_stands_twice_or_is_missing) {
  EXPECT_EQ(
      errors_of(kListen + "mappings: [{external: a, internal: b}, {external: a, internal: c}]\n"),
      "2:51: error: mappings[1].external: found `a` for the second time\n");
  EXPECT_EQ(errors_of(kListen + "mappings: [{external: a}]\n"),
            "2:12: error: mappings[0]: the key `internal` is missing here\n");
  EXPECT_EQ(errors_of(kListen + "user_mappings: {a: {}}\n"),
            "2:20: error: user_mappings.a: the key `host` is missing here\n");
  std::string long_name =
      errors_of(kListen + "user_mappings: {" + std::string(64, 'u') + ": {host: h}}\n");
  EXPECT_TRUE(long_name.ends_with("the name of a user has 1 to 63 bytes\n")) << long_name;
}

TEST(ShortForms, user_mappings_choose_by_user_and_may_rename) {
  const std::string text = kListen +
                           "user_mappings:\n"
                           "  app: {host: h, port: 1, user: postgres}\n"
                           "  same: {host: h, user: same}\n";
  Config config = config_of(text);
  EXPECT_EQ(config.listen.at(0).tls.mode, ClientTlsMode::disable);
  ASSERT_EQ(config.routes.size(), 2u);
  EXPECT_EQ(config.routes[0].match.user.at(0).text, "app");
  EXPECT_EQ(config.routes[0].upstream, "h:1");
  EXPECT_EQ(config.routes[0].auth, AuthMode::relay);
  EXPECT_EQ(config.routes[0].login->user, "postgres");
  EXPECT_FALSE(config.routes[0].login->password.has_value());
  EXPECT_FALSE(config.routes[1].login.has_value());
  EXPECT_EQ(warnings_of(text),
            "/etc/t/t.yaml:3:33: warning: user_mappings.app.user: the client's own exchange is "
            "relayed, and md5 fails for another user\n");
}

TEST(ShortForms, come_after_the_routes) {
  Config config = config_of(kMinimal +
                            "routes: [{upstream: main, match: {sni: x}}]\n"
                            "mappings: [{external: a, internal: b}]\n");
  ASSERT_EQ(config.routes.size(), 3u);
  EXPECT_EQ(config.routes[0].upstream, "main");
}

}  // namespace
}  // namespace trunkline::config
