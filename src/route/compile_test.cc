#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "route/table.h"
#include "route/test_config.h"

namespace trunkline::route {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

using Problems = std::vector<config::Problem>;

auto problem(const char* key, const char* text) {
  return AllOf(Field(&config::Problem::key, key), Field(&config::Problem::text, HasSubstr(text)));
}

Problems problems_of(config::Config config) {
  auto compiled = try_compile(config);
  return compiled ? Problems{} : compiled.error();
}

Problems problems_of(config::Route route) {
  config::Config config = config_with_main();
  config.routes.push_back(std::move(route));
  return problems_of(std::move(config));
}

TEST(Compile, EveryBadRegexIsToldInRe2sWordsAtItsPlace) {
  config::Config config = config_with_main();
  config.routes.push_back(to_main({.user = {regex("(")}}));
  config.routes.push_back(to_main({.sni = {regex("ok")}, .database = {regex("[a")}}));
  config.routes[1].at = {"t.yaml", 12, 5};
  Problems problems = problems_of(std::move(config));
  EXPECT_THAT(problems, ElementsAre(problem("routes[0].match.user", "missing )"),
                                    problem("routes[1].match.database", "missing ]")));
  EXPECT_EQ(problems[1].at.line, 12);
}

TEST(Compile, ACaptureMustExist) {
  config::Route route = to_main({.user = {regex("(a)")}});
  route.database = "$2";
  EXPECT_THAT(problems_of(std::move(route)),
              ElementsAre(problem("routes[0].database", "$2 is out of range")));
  EXPECT_THAT(problems_of(to_host({.user = {exact("a")}}, "$1.internal")),
              ElementsAre(problem("routes[0].upstream.host", "have 0 groups")));
  EXPECT_THAT(problems_of(to_host({}, "$0.internal")),
              ElementsAre(problem("routes[0].upstream.host", "needs a regular expression")));
  EXPECT_THAT(problems_of(to_host({.user = {regex("(a)")}}, "$1.internal")), IsEmpty());
}

TEST(Compile, ACaptureMustHaveAValueWhicheverPatternMatches) {
  config::Route route = to_main({.user = {regex("a(.)"), exact("bob")}});
  route.database = "$1";
  EXPECT_THAT(problems_of(std::move(route)),
              ElementsAre(problem("routes[0].database", "no value when user matches bob")));
}

TEST(Compile, ADollarIsACaptureOrTwoDollars) {
  for (const char* text : {"a$", "$x"}) {
    config::Route route = to_main({});
    route.database = text;
    EXPECT_THAT(problems_of(std::move(route)), ElementsAre(problem("routes[0].database", "$$")));
  }
  config::Route route = to_main({});
  route.database = "a$$";
  EXPECT_THAT(problems_of(std::move(route)), IsEmpty());
}

TEST(Compile, AnEmptyDatabaseAndAnUnknownUpstreamAreRefused) {
  config::Route route = to_main({});
  route.database = "";
  EXPECT_THAT(problems_of(std::move(route)), ElementsAre(problem("routes[0].database", "empty")));
  route = to_main({});
  route.upstream = "mian";
  EXPECT_THAT(problems_of(std::move(route)),
              ElementsAre(problem("routes[0].upstream", "no upstream \"mian\"")));
}

}  // namespace
}  // namespace trunkline::route
