#include "config/hba_file.h"

#include "config/names.h"
#include "config/test_support.h"

namespace trunkline::config {
namespace {

std::vector<AuthenticationRule> rules_of(std::string_view text) {
  std::vector<Problem> problems;
  auto rules = parse_hba(text, "f", problems);
  EXPECT_TRUE(problems.empty()) << print_errors(problems);
  return rules;
}

std::string problem_of(std::string_view text) {
  std::vector<Problem> problems;
  EXPECT_TRUE(parse_hba(text, "f", problems).empty()) << text;
  return print_errors(problems);
}

TEST(HbaFile, reads_what_a_fresh_server_has) {
  auto rules = rules_of(
      "# TYPE  DATABASE        USER            ADDRESS                 METHOD\n"
      "\n"
      "local   all             postgres                                peer\n"
      "local   all             all                                     trust # a comment\n"
      "host    all             all             127.0.0.1/32            scram-sha-256\n"
      "host    replication     all             ::1/128                 md5\n"
      "host    all             all             all                     reject\n");
  ASSERT_EQ(rules.size(), 5u);
  EXPECT_EQ(rules[0].type, ConnectionType::local);
  EXPECT_EQ(rules[0].databases.at(0).kind, HbaName::Kind::all);
  ASSERT_EQ(rules[0].users.size(), 1u);
  EXPECT_EQ(rules[0].users[0].text, "postgres");
  EXPECT_EQ(rules[0].method, AuthMethod::peer);
  EXPECT_EQ(rules[0].at.line, 3);
  EXPECT_EQ(rules[2].sources.at(0).to_string(), "127.0.0.1/32");
  EXPECT_EQ(rules[2].method, AuthMethod::scram_sha_256);
  EXPECT_EQ(rules[3].databases.at(0).kind, HbaName::Kind::replication);
  EXPECT_TRUE(rules[4].sources.empty());
  EXPECT_EQ(rules[4].method, AuthMethod::reject);
}

TEST(HbaFile, reads_lists_quotes_keywords_and_expressions) {
  auto rules = rules_of(
      "host a,\"b c\", sameuser,\"all\",\"x\"\"y\" \"replication\",/^svc_\\d+$ 10.0.0.0/8 trust\n");
  ASSERT_EQ(rules.size(), 1u);
  const auto& databases = rules[0].databases;
  ASSERT_EQ(databases.size(), 5u);
  EXPECT_EQ(databases[0].text, "a");
  EXPECT_EQ(databases[1].text, "b c");
  EXPECT_EQ(databases[2].kind, HbaName::Kind::same_user);
  EXPECT_EQ(databases[3].kind, HbaName::Kind::exact);  // quoted: a database called all
  EXPECT_EQ(databases[3].text, "all");
  EXPECT_EQ(databases[4].text, "x\"y");
  const auto& users = rules[0].users;
  ASSERT_EQ(users.size(), 2u);
  EXPECT_EQ(users[0].kind, HbaName::Kind::exact);
  EXPECT_EQ(users[1].kind, HbaName::Kind::regex);
  EXPECT_EQ(users[1].text, "(?s:.*?)(?:^svc_\\d+$)(?s:.*)");
}

// An empty list is no condition at all, `all` does not mean physical replication.
TEST(HbaFile, keeps_the_word_all) {
  auto rules = rules_of("host all all all trust\nhost all,replication all all trust\n");
  ASSERT_EQ(rules.at(0).databases.size(), 1u);
  EXPECT_EQ(rules[0].databases[0].kind, HbaName::Kind::all);
  ASSERT_EQ(rules.at(1).databases.size(), 2u);
  EXPECT_EQ(rules[1].databases[1].kind, HbaName::Kind::replication);
}

TEST(HbaFile, reads_masks_of_their_own_column) {
  auto rules = rules_of(
      "host all all 10.1.2.3 255.255.0.0 trust\n"
      "hostssl all all fd00:: ffff:: trust\n");
  EXPECT_EQ(rules.at(0).sources.at(0).prefix_bits(), 16u);
  EXPECT_EQ(rules.at(1).sources.at(0).prefix_bits(), 16u);
  EXPECT_EQ(rules.at(1).type, ConnectionType::hostssl);
}

TEST(HbaFile, reads_options_and_joins_lines) {
  auto rules = rules_of(
      "hostssl all all all cert map=people clientname=CN\n"
      "hostssl all all all \\\n"
      "   scram-sha-256 clientcert=verify-ca\n"
      "hostssl all all all md5 clientcert=verify-full \"map=with space\"\n"
      "local all all ident map=system\n"
      "hostnogssenc all all all password\n");
  ASSERT_EQ(rules.size(), 5u);
  EXPECT_EQ(rules[0].map, "people");
  EXPECT_TRUE(rules[1].client_certificate_required);
  EXPECT_FALSE(rules[1].client_certificate_names_user);
  EXPECT_TRUE(rules[2].client_certificate_names_user);
  EXPECT_EQ(rules[2].map, "with space");
  EXPECT_EQ(rules[2].at.line, 4);
  EXPECT_EQ(rules[3].method, AuthMethod::peer);
  EXPECT_EQ(rules[4].type, ConnectionType::host);
}

TEST(HbaFile, refuses_each_thing_it_cannot_do_with_line_and_column) {
  struct Case {
    const char *line, *problem;
  };
  const std::string methods =
      "; allowed: trust, reject, password, md5, scram-sha-256, cert or peer\n";
  EXPECT_EQ(problem_of("host all all all gss"), "f:1:18: error: found `gss`" + methods);
  EXPECT_EQ(problem_of("host all all all ident"), "f:1:18: error: found `ident`" + methods);
  EXPECT_EQ(problem_of("host all all all ldap ldapserver=x"),
            "f:1:18: error: found `ldap`" + methods);
  for (const Case& c : std::initializer_list<Case>{
           {"\nhosts all all all trust",
            "f:2:1: error: found `hosts`; allowed: local, host, hostssl, hostnossl or "
            "hostnogssenc\n"},
           {"hostgssenc all all all trust",
            "f:1:1: error: found `hostgssenc`; allowed: local, host, hostssl, hostnossl or "
            "hostnogssenc\n"},
           {"host samerole all all trust",
            "f:1:6: error: found `samerole`; the proxy does not know who is in which role\n"},
           {"host all +admins all trust",
            "f:1:10: error: found `+admins`; the proxy does not know who is in which role\n"},
           {"host all @users all trust",
            "f:1:10: error: found `@users`; files of names are not supported\n"},
           {"host all all samenet trust",
            "f:1:14: error: found `samenet`; the proxy's networks are not the server's; write the "
            "network itself\n"},
           {"host all all samehost trust",
            "f:1:14: error: found `samehost`; the proxy's networks are not the server's; write the "
            "network itself\n"},
           {"host all all db.example.com trust",
            "f:1:14: error: found `db.example.com`; allowed: all, a network such as 10.0.0.0/8, or "
            "an address and a mask; host names are not supported\n"},
           {"host all all 10.0.0.0 trust",
            "f:1:23: error: found `trust`; a mask of the address's own family without holes must "
            "stand here\n"},
           {"host all all 10.0.0.0 255.0.255.0 trust",
            "f:1:23: error: found `255.0.255.0`; a mask of the address's own family without holes "
            "must stand here\n"},
           {"host all all 10.0.0.0 ffff:: trust",
            "f:1:23: error: found `ffff::`; a mask of the address's own family without holes must "
            "stand here\n"},
           {"host all all all", "f:1:14: error: the line ends where its method should follow\n"},
           {"host all", "f:1:6: error: the line ends where its user should follow\n"},
           {"host all all all trust,md5",
            "f:1:24: error: found `md5`; the method must be a single value\n"},
           {"host all all all trust map",
            "f:1:24: error: found `map`; an option is written name=value\n"},
           {"host all all all trust krb_realm=X",
            "f:1:24: error: found `krb_realm=X`; allowed: map=, clientcert= and clientname=CN\n"},
           {"hostssl all all all md5 clientcert=1",
            "f:1:25: error: found `clientcert=1`; allowed: clientcert=verify-ca or "
            "clientcert=verify-full\n"},
           {"hostssl all all all cert clientname=DN",
            "f:1:26: error: found `clientname=DN`; allowed: map=, clientcert= and clientname=CN\n"},
           {"host all all all cert", "f:1:1: error: method cert is for type hostssl only\n"},
           {"host all all all peer",
            "f:1:1: error: method peer is for type local only: it asks the kernel who is on the "
            "unix socket\n"},
           {"host all all all md5 map=x",
            "f:1:1: error: a map is for method cert or peer, or beside verify-full, not for md5\n"},
           {"host all all all md5 clientcert=verify-ca",
            "f:1:1: error: a client certificate can be asked for in type hostssl only\n"},
           {"hostssl all all all cert clientcert=verify-ca",
            "f:1:1: error: method cert always is verify-full\n"},
           {"include other.conf",
            "f:1:1: error: `include` is not supported; put the lines of that file here\n"},
           {"include_if_exists other.conf",
            "f:1:1: error: `include_if_exists` is not supported; put the lines of that file "
            "here\n"},
           {"include_dir d",
            "f:1:1: error: `include_dir` is not supported; put the lines of that "
            "file here\n"},
           {"host \"all all all trust", "f:1:6: error: the quote is not closed on its line\n"},
           {"host \"\" all all trust", "f:1:6: error: found ``; a name must not be empty\n"},
           {"host a, # b\n", "f:1:9: error: the list ends with a comma\n"},
           {"host ,a all all trust", "f:1:6: error: a comma must follow a name\n"}}) {
    EXPECT_EQ(problem_of(c.line), c.problem) << c.line;
  }
}

TEST(HbaFile, reports_every_wrong_line_up_to_the_bound) {
  std::vector<Problem> problems;
  EXPECT_EQ(parse_hba("x\nlocal all all trust\ny\n", "f", problems).size(), 1u);
  EXPECT_EQ(problems.size(), 2u);
  std::string text;
  for (size_t i = 0; i < 3 * kProblemsMax; ++i) text += "x\n";
  problems.clear();
  parse_hba(text, "f", problems);
  EXPECT_EQ(problems.size(), kProblemsMax);
}

TEST(HbaFile, refuses_bytes_that_are_not_text) {
  EXPECT_EQ(problem_of(std::string_view("host\0all", 8)),
            "f: error: the file holds a zero byte: it is not text\n");
}

}  // namespace
}  // namespace trunkline::config
