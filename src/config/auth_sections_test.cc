#include <gtest/gtest.h>

#include "config/test_support.h"

namespace trunkline::config {
namespace {

std::string with_rule(const std::string& rule) {
  return kMinimal + "users: [{name: a}]\nauthentication: [{" + rule + "}]\n";
}

TEST(Authentication, reads_every_key_of_a_rule) {
  Config config = config_of(
      with_rule("type: hostssl, database: [all, sameuser, replication, db, '/x.*/'], user: [a, "
                "'/b/', all], source: [10.0.0.0/8, '::1'], method: scram-sha-256, map: m, "
                "client_certificate: verify-full") +
      "ident: [{map: m, system_user: '/(.*)@x/', database_user: '\\1'},\n"
      "        {map: m, system_user: root, database_user: all},\n"
      "        {map: m, system_user: root, database_user: '/app_.*/'}]\n");
  const AuthenticationRule& rule = config.authentication.at(0);
  EXPECT_EQ(rule.type, ConnectionType::hostssl);
  ASSERT_EQ(rule.databases.size(), 5u);
  EXPECT_EQ(rule.databases[0].kind, HbaName::Kind::all);
  EXPECT_EQ(rule.databases[1].kind, HbaName::Kind::same_user);
  EXPECT_EQ(rule.databases[2].kind, HbaName::Kind::replication);
  EXPECT_EQ(rule.databases[3].text, "db");
  EXPECT_EQ(rule.databases[4].kind, HbaName::Kind::regex);
  EXPECT_EQ(rule.databases[4].text, "x.*");
  EXPECT_EQ(rule.users.at(2).kind, HbaName::Kind::all);
  EXPECT_EQ(rule.sources.size(), 2u);
  EXPECT_EQ(rule.method, AuthMethod::scram_sha_256);
  EXPECT_EQ(rule.map, "m");
  EXPECT_TRUE(rule.client_certificate_required);
  EXPECT_TRUE(rule.client_certificate_names_user);
  ASSERT_EQ(config.ident.size(), 3u);
  EXPECT_EQ(config.ident[0].system_user, "/(.*)@x");
  EXPECT_EQ(config.ident[0].database_user, "\\1");
  EXPECT_EQ(config.ident[1].database_user, "all");
  EXPECT_EQ(config.ident[2].database_user, "/app_.*");
}

TEST(Authentication, refuses_rules_that_cannot_work) {
  const std::string at = "4:18: error: authentication[0]: ";
  EXPECT_EQ(errors_of(with_rule("type: local")), at + "the key `method` is missing here\n");
  EXPECT_EQ(errors_of(with_rule("type: host, method: cert")),
            at + "method cert is for type hostssl only\n");
  EXPECT_EQ(errors_of(with_rule("method: peer")),
            at + "method peer is for type local only: it asks the kernel who is on the unix "
                 "socket\n");
  EXPECT_EQ(errors_of(with_rule("type: local, source: '::1', method: trust")),
            at + "type local has no source address\n");
  EXPECT_EQ(errors_of(with_rule("type: local, method: peer, map: m")),
            "4:18: error: authentication: there is no map `m` in `ident` or `ident_file`\n");
}

TEST(Authentication, warns_where_nobody_gets_in) {
  EXPECT_EQ(warnings_of(kMinimal),
            "/etc/t/t.yaml:1:1: warning: nobody can log in by password: the proxy authenticates "
            "clients itself and has neither `users` nor `users_file` nor an `auth_query`; `auth: "
            "relay` in a route leaves it to the server\n");
  EXPECT_EQ(warnings_of(kMinimal + "authentication: [{method: trust}]\n"), "");
  EXPECT_EQ(warnings_of(kMinimal + "routes: [{upstream: main, auth: relay}]\n"), "");
  EXPECT_EQ(warnings_of(with_rule("type: hostssl, method: cert")),
            "/etc/t/t.yaml:4:18: warning: authentication: nobody gets in by this rule: no listener "
            "asks for a certificate (`client_certificate`)\n");
}

TEST(HbaFileKey, stands_in_for_the_list) {
  World world{.files = {{"/etc/t/hba", "local all all peer map=m\n"},
                        {"/etc/t/bad", "\nhost all all all gss\n"},
                        {"/etc/t/empty", "# nothing\n"},
                        {"/etc/t/ident", "m root postgres\n"},
                        {"/etc/t/bad_ident", "m root\n"}}};
  const std::string head = kMinimal + "users: [{name: a}]\n";
  Config config = config_of(head + "hba_file: hba\nident_file: ident\n", world);
  EXPECT_EQ(config.authentication.at(0).method, AuthMethod::peer);
  EXPECT_EQ(config.authentication.at(0).at.file, "/etc/t/hba");
  EXPECT_EQ(config.ident.at(0).system_user, "root");
  EXPECT_EQ(errors_of(head + "hba_file: bad\n", world),
            "/etc/t/bad:2:18: error: hba_file: found `gss`; allowed: trust, reject, password, md5, "
            "scram-sha-256, cert or peer\n");
  EXPECT_EQ(errors_of(head + "hba_file: empty\n", world),
            "4:11: error: hba_file: the file /etc/t/empty has no rule\n");
  EXPECT_EQ(errors_of(head + "ident_file: bad_ident\n", world),
            "/etc/t/bad_ident:1:3: error: ident_file: a line has a map's name, a system user and a "
            "database user; found 2 fields\n");
  EXPECT_EQ(errors_of(head + "authentication: [{method: trust}]\nhba_file: hba\n", world),
            "5:11: error: hba_file: cannot stand beside `authentication`: keep one\n");
}

TEST(Ident, refuses_what_it_cannot_do) {
  auto with = [](const std::string& entry) { return kMinimal + "ident: [{" + entry + "}]\n"; };
  EXPECT_EQ(errors_of(with("map: m, system_user: a, database_user: '\\1'")),
            "3:49: error: ident[0].database_user: \\1 needs a regular expression with a group as "
            "`system_user`\n");
  EXPECT_EQ(errors_of(with("map: m, system_user: a, database_user: +r")),
            "3:49: error: ident[0].database_user: found `+r`; the proxy does not know who is in "
            "which role\n");
  EXPECT_EQ(errors_of(with("map: m, system_user: a")),
            "3:9: error: ident[0]: the key `database_user` is missing here\n");
}

TEST(Users, refuses_a_name_that_stands_twice) {
  EXPECT_EQ(errors_of(kMinimal + "users:\n  - {name: a}\n  - {name: a}\n"),
            "5:5: error: users: the user `a` is also in 4\n");
  EXPECT_EQ(errors_of(kMinimal + "users: [{password: x}]\n"),
            "3:9: error: users[0]: the key `name` is missing here\n");
}

}  // namespace
}  // namespace trunkline::config
