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
using testing::SizeIs;

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

Problems warnings_of(const config::Config& config) {
  auto compiled = try_compile(config);
  EXPECT_TRUE(compiled.has_value());
  return compiled ? compiled->warnings : Problems{};
}

config::Listen listener(config::ClientTlsMode mode) {
  config::Listen listen;
  listen.tls.mode = mode;
  return listen;
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
              ElementsAre(problem("routes[0].upstream", "did you mean \"main\"")));
}

TEST(Compile, RoutesAfterOneForEveryoneGetAWarning) {
  config::Config config = config_with_main();
  config.routes.push_back(to_main({.user = {exact("a")}}));
  config.routes.push_back(to_main({}));
  EXPECT_THAT(warnings_of(config), IsEmpty());
  config.routes.push_back(to_main({.user = {exact("b")}}));
  config.routes.push_back(to_main({}));
  EXPECT_THAT(warnings_of(config), ElementsAre(problem("routes[2]", "never reached: routes[1]"),
                                               problem("routes[3]", "never reached: routes[1]")));
}

TEST(Compile, RelayHasNoUseForAPassword) {
  config::Route route = to_main({});
  route.auth = config::AuthMode::relay;
  route.login.emplace("app", Secret("hidden"));
  EXPECT_THAT(problems_of(std::move(route)),
              ElementsAre(problem("routes[0].login.password", "auth: relay")));
}

TEST(Compile, RelayWithTlsOnBothSidesGetsAWarning) {
  config::Config config = config_with_main();
  config.routes.push_back(to_main({}));
  config.routes[0].auth = config::AuthMode::relay;
  EXPECT_THAT(warnings_of(config), IsEmpty());
  config.listen.push_back(listener(config::ClientTlsMode::passthrough));
  EXPECT_THAT(warnings_of(config), IsEmpty());
  config.listen.push_back(listener(config::ClientTlsMode::allow));
  EXPECT_THAT(warnings_of(config), ElementsAre(problem("routes[0].auth", "channel_binding")));
  config.upstreams["main"].tls.mode = config::ServerTlsMode::disable;
  EXPECT_THAT(warnings_of(config), IsEmpty());
}

TEST(Compile, RelayOfAnotherUserGetsAWarningAboutMd5) {
  config::Config config = config_with_main();
  config.routes.push_back(to_main({}));
  config.routes[0].auth = config::AuthMode::relay;
  config.routes[0].login.emplace("postgres", std::nullopt);
  EXPECT_THAT(warnings_of(config), ElementsAre(problem("routes[0].login.user", "md5")));
}

TEST(Compile, PassthroughAloneRefusesMatchesOnWhatItNeverSees) {
  config::Config config = config_with_main();
  config.listen.push_back(listener(config::ClientTlsMode::passthrough));
  config.routes.push_back(to_main({.user = {exact("a")}}));
  auto refused = try_compile(config);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), ElementsAre(problem("routes[0].match.user", "passthrough")));
  config.listen.push_back(listener(config::ClientTlsMode::require));
  EXPECT_THAT(warnings_of(config), ElementsAre(problem("routes[0].match.user", "passthrough")));
}

TEST(Compile, PassthroughAloneRefusesRewrites) {
  config::Config config = config_with_main();
  config.listen.push_back(listener(config::ClientTlsMode::passthrough));
  config.routes.push_back(to_main({}));
  config.routes.push_back(to_main({}));
  config.routes[0].database = "x";
  config.routes[1].login.emplace("app", std::nullopt);
  auto refused = try_compile(config);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), ElementsAre(problem("routes[0].database", "passthrough"),
                                           problem("routes[1].login", "passthrough")));
}

}  // namespace
}  // namespace trunkline::route
