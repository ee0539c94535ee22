#include "config/userlist.h"

#include <chrono>
#include <malloc.h>

#include "config/test_support.h"

namespace trunkline::config {
namespace {

std::string problem_of(std::string_view text) {
  std::vector<Problem> problems;
  parse_userlist(text, "f", problems);
  return problems.empty() ? "" : print_errors({&problems[0], 1});
}

TEST(Userlist, reads_names_secrets_quotes_comments_and_ignores_the_rest_of_a_line) {
  std::vector<Problem> problems;
  auto users = parse_userlist(
      "; a comment\n"
      "\n"
      "\"alice\" \"SCRAM-SHA-256$4096:c2FsdA==$a:b\"\r\n"
      "  \"with \"\"quote\"\"\"\t\"pass \"\"word\"\"\" \"ignored\" anything\n"
      "\"empty\" \"\"\n"
      "\"last\" \"line\"",
      "f", problems);
  ASSERT_TRUE(problems.empty()) << print_errors(problems);
  ASSERT_EQ(users.size(), 4u);
  EXPECT_EQ(users[0].name, "alice");
  EXPECT_EQ(users[0].password.reveal(), "SCRAM-SHA-256$4096:c2FsdA==$a:b");
  EXPECT_EQ(users[1].name, "with \"quote\"");
  EXPECT_EQ(users[1].password.reveal(), "pass \"word\"");
  EXPECT_EQ(users[1].at.line, 4);
  EXPECT_EQ(users[1].at.column, 3);
  EXPECT_TRUE(users[2].password.empty());
  EXPECT_EQ(users[3].name, "last");
}

TEST(Userlist, refuses_lines_of_another_form_without_showing_them) {
  const std::string form =
      ":1: error: a line must read \"name\" \"secret\", both in double quotes\n";
  for (const char* line : {"alice secret", "\"alice\"", "\"alice\" secret", "\"alice\" \"secret",
                           "\"alice", "\"alice\" \"secret\"\"", "# comment"}) {
    EXPECT_EQ(problem_of(line), "f:1" + form) << line;
  }
  EXPECT_EQ(problem_of("\"\" \"x\""), "f:1:1: error: the name of a user has 1 to 63 bytes\n");
  EXPECT_EQ(problem_of("\"" + std::string(63, 'u') + "\" \"x\""), "");
  EXPECT_EQ(problem_of("\"" + std::string(64, 'u') + "\" \"x\""),
            "f:1:1: error: the name of a user has 1 to 63 bytes\n");
  EXPECT_EQ(problem_of(std::string_view("\"a\" \"x\0\"", 8)),
            "f:1:1: error: a zero byte is not allowed here\n");
}

TEST(Userlist, stops_at_the_bound_of_problems) {
  std::string text;
  for (size_t i = 0; i < 3 * kProblemsMax; ++i) text += "wrong\n";
  std::vector<Problem> problems;
  parse_userlist(text, "f", problems);
  EXPECT_EQ(problems.size(), kProblemsMax);
}

TEST(Userlist, stands_in_the_file_of_the_configuration_with_its_own_lines) {
  World world{
      .files = {{"/etc/t/list", "\"a\" \"x\"\n\"b\" \"y\"\n"}, {"/etc/t/bad", "\n\"a\"\n"}}};
  Config config =
      config_of(kMinimal + "users: [{name: c, password: z}]\nusers_file: list\n", world);
  ASSERT_EQ(config.users.size(), 3u);
  EXPECT_EQ(config.users[2].name, "b");
  EXPECT_EQ(config.users[2].at.file, "/etc/t/list");
  EXPECT_EQ(errors_of(kMinimal + "users_file: bad\n", world),
            "/etc/t/bad:2:1: error: users_file: a line must read \"name\" \"secret\", both in "
            "double quotes\n");
  EXPECT_EQ(errors_of(kMinimal + "users: [{name: a, password: z}]\nusers_file: list\n", world),
            "/etc/t/list:1:1: error: users: the user `a` is also in 3\n");
}

TEST(Userlist, takes_ten_thousand_users_in_a_moment_and_little_memory) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) {
    text += "\"user_" + std::to_string(i) + "\" \"SCRAM-SHA-256$4096:" + std::string(24, 's') +
            "$" + std::string(44, 'a') + ":" + std::string(44, 'b') + "\"\n";
  }
  World world{.files = {{"/etc/t/list", std::move(text)}}};
  size_t before = mallinfo2().uordblks;
  auto start = std::chrono::steady_clock::now();
  Config config = config_of(kMinimal + "users_file: list\n", world);
  auto took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(config.users.size(), 10'000u);
  EXPECT_LT(took, 1s);
  // The secrets themselves lie in their own arena: 256 bytes each.
  EXPECT_LT(mallinfo2().uordblks - before, 10u << 20);
}

}  // namespace
}  // namespace trunkline::config
