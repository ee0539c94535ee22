#include "config/ident_file.h"

#include "config/test_support.h"

namespace trunkline::config {
namespace {

std::string problem_of(std::string_view text) {
  std::vector<Problem> problems;
  EXPECT_TRUE(parse_ident(text, "f", problems).empty()) << text;
  return print_errors(problems);
}

TEST(IdentFile, reads_names_expressions_and_captures) {
  std::vector<Problem> problems;
  auto mappings = parse_ident(
      "# MAPNAME SYSTEM-USERNAME PG-USERNAME\n"
      "people  \"Alice Example\"  alice\n"
      "people  /^(.*)@example\\.com$  \\1\n"
      "people  root  all\n"
      "people  root  /^app\n",
      "f", problems);
  ASSERT_TRUE(problems.empty()) << print_errors(problems);
  ASSERT_EQ(mappings.size(), 4u);
  EXPECT_EQ(mappings[0].map, "people");
  EXPECT_EQ(mappings[0].system_user, "Alice Example");
  EXPECT_EQ(mappings[0].database_user, "alice");
  EXPECT_EQ(mappings[0].at.line, 2);
  EXPECT_EQ(mappings[1].system_user, "/(?s:.*?)(?:^(.*)@example\\.com$)(?s:.*)");
  EXPECT_EQ(mappings[1].database_user, "\\1");
  EXPECT_EQ(mappings[2].database_user, "all");
  EXPECT_EQ(mappings[3].database_user, "/(?s:.*?)(?:^app)(?s:.*)");
}

TEST(IdentFile, refuses_each_thing_it_cannot_do_with_line_and_column) {
  struct Case {
    const char *line, *problem;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"a b",
            "f:1:3: error: a line has a map's name, a system user and a database user; "
            "found 2 fields\n"},
           {"a b c d",
            "f:1:7: error: a line has a map's name, a system user and a database user; "
            "found 4 fields\n"},
           {"a b,x c", "f:1:5: error: a list is not allowed here\n"},
           {"a \"\" c", "f:1:3: error: a name must not be empty\n"},
           {"a b \"all\"", "f:1:5: error: found `all`; a user of this name cannot be mapped to\n"},
           {"a b +r", "f:1:5: error: found `+r`; the proxy does not know who is in which role\n"},
           {"a b \\1",
            "f:1:5: error: \\1 needs a regular expression with a group as the system "
            "user\n"},
           {"\ninclude x",
            "f:2:1: error: `include` is not supported; put the lines of that file "
            "here\n"}}) {
    EXPECT_EQ(problem_of(c.line), c.problem) << c.line;
  }
}

}  // namespace
}  // namespace trunkline::config
