#include "config/yaml.h"

#include <gtest/gtest.h>

namespace trunkline::config {
namespace {

std::vector<Problem> problems_of(std::string_view text) {
  std::vector<Problem> problems;
  parse_yaml(text, "f", problems);
  return problems;
}

std::string first_problem(std::string_view text) {
  auto problems = problems_of(text);
  return problems.empty() ? "" : problems[0].text;
}

std::string nested(size_t depth) {
  return std::string(depth, '[') + "x" + std::string(depth, ']');
}

TEST(Yaml, keeps_values_and_where_they_stand) {
  std::vector<Problem> problems;
  YamlNode root = parse_yaml("a: 1\nb:\n  - x\n  - {c: 'q'}\n", "f", problems);
  ASSERT_TRUE(problems.empty());
  ASSERT_EQ(root.kind, YamlNode::Kind::mapping);
  ASSERT_EQ(root.entries.size(), 2u);
  EXPECT_EQ(root.entries[0].key, "a");
  EXPECT_EQ(root.entries[0].value.scalar, "1");
  EXPECT_EQ(root.entries[0].value.line, 1);
  EXPECT_EQ(root.entries[0].value.column, 4);
  const YamlNode& list = root.entries[1].value;
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(list.items[1].entries[0].key, "c");
  EXPECT_EQ(list.items[1].entries[0].line, 4);
  EXPECT_EQ(list.items[1].entries[0].column, 6);
  EXPECT_EQ(root.size_nodes, 6u);
}

TEST(Yaml, tells_nothing_from_an_empty_text) {
  std::vector<Problem> problems;
  YamlNode root = parse_yaml("a: ~\nb: null\nc:\nd: ''\ne: 'null'\n", "f", problems);
  ASSERT_TRUE(problems.empty());
  for (size_t i : {0, 1, 2}) EXPECT_EQ(root.entries[i].value.kind, YamlNode::Kind::null) << i;
  for (size_t i : {3, 4}) EXPECT_EQ(root.entries[i].value.kind, YamlNode::Kind::scalar) << i;
}

TEST(Yaml, refuses_a_key_that_stands_twice) {
  auto problems = problems_of("a: {x: 1, y: 2, x: 3}\nb: 1\na: 2\n");
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].text, "this key stands here for the second time");
  EXPECT_EQ(problems[0].at.line, 1);
  EXPECT_EQ(problems[0].at.column, 17);
  EXPECT_EQ(problems[1].at.line, 3);
}

TEST(Yaml, refuses_what_is_not_yaml_with_its_place) {
  auto problems = problems_of("a: 1\nb: [1, 2\nc: 3\n");
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_TRUE(problems[0].text.starts_with("this is not YAML: ")) << problems[0].text;
  EXPECT_GT(problems[0].at.line, 1);
}

TEST(Yaml, refuses_keys_that_are_not_text_and_second_documents) {
  EXPECT_EQ(first_problem("[a, b]: c\n"), "a key must be text");
  EXPECT_EQ(first_problem("~: c\n"), "a key must be text");
  EXPECT_EQ(first_problem("a: b\n---\nc: d\n"), "the file holds more than one YAML document");
}

TEST(Yaml, bounds_the_depth) {
  EXPECT_EQ(first_problem(nested(kYamlDepthMax)), "");
  EXPECT_EQ(first_problem(nested(kYamlDepthMax + 1)), "values are nested deeper than 32 levels");
  EXPECT_NE(first_problem(nested(100'000)), "");
}

TEST(Yaml, bounds_the_values) {
  std::string list = "- x\n";
  std::string text;
  for (size_t i = 0; i + 1 < kYamlNodesMax; ++i) text += list;
  EXPECT_EQ(first_problem(text), "");
  text += list;
  EXPECT_EQ(first_problem(text), "the file unfolds to more than 200000 values");
}

TEST(Yaml, unfolds_aliases_and_bounds_what_they_unfold_to) {
  std::vector<Problem> problems;
  YamlNode root = parse_yaml("a: &x {k: v}\nb: *x\n", "f", problems);
  ASSERT_TRUE(problems.empty());
  EXPECT_EQ(root.entries[1].value.entries.at(0).value.scalar, "v");

  std::string laughs = "a0: &a0 [lol]\n";
  for (int i = 1; i < 30; ++i) {
    std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + ", " + before +
              "]\n";
  }
  EXPECT_EQ(first_problem(laughs), "the file unfolds to more than 200000 values");
  EXPECT_NE(first_problem("a: &a [*a]\n"), "");
}

}  // namespace
}  // namespace trunkline::config
