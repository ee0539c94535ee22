#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

#include "config/loader.h"
#include "route/explain.h"
#include "route/table.h"

// docs/routing.md promises things; its own example shows that they hold.
namespace trunkline::route {
namespace {

// Tests run somewhere in the build folder, which is in the source folder.
std::filesystem::path find_page() {
  std::filesystem::path folder = std::filesystem::current_path();
  while (!exists(folder / "docs/routing.md") && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  return folder / "docs/routing.md";
}

std::string page() {
  std::ifstream file(find_page());
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string example() {
  std::string text = page();
  size_t begin = text.find("```yaml\n");
  if (begin == std::string::npos) return {};
  begin += 8;
  return text.substr(begin, text.find("```", begin) - begin);
}

std::shared_ptr<const RouteTable> load_example() {
  auto config =
      config::load_text(example(), "/etc/trunkline/routing.yaml", config::system_environment());
  for (const auto& problem : config ? std::vector<config::Problem>{} : config.error()) {
    ADD_FAILURE() << problem.at.line << ": " << problem.key << ": " << problem.text;
  }
  if (!config) return nullptr;
  tls::Findings findings;
  auto set = upstream::Set::compile(*config, nullptr, findings);
  if (!set) return nullptr;
  return RouteTable::compile(*config, std::move(set)).value_or(nullptr);
}

TEST(RoutingPage, ItsExampleRoutesAsItSays) {
  auto table = load_example();
  ASSERT_NE(table, nullptr);
  auto decide = [&](Facts facts) { return table->decide(facts); };

  auto office = IpAddress::parse("192.0.2.7");
  EXPECT_EQ(decide({.user = "postgres", .database = "x", .source = office}).route->index, 0);
  EXPECT_EQ(decide({.user = "postgres", .database = "x"}).kind, Decision::Kind::reject);

  Facts tool{.user = "report_1", .database = "any", .application_name = "superset-12"};
  EXPECT_EQ(decide(tool).upstream->name(), "reports");
  EXPECT_EQ(decide(tool).route->max_clients, 20);

  Decision shop = decide({.user = "app", .database = "shop", .application_name = ""});
  EXPECT_EQ(shop.user, "shop_app");
  EXPECT_EQ(decide({.user = "app", .database = "other"}).kind, Decision::Kind::none);
}

TEST(RoutingPage, ItsExplanationIsWhatIsPrinted) {
  auto table = load_example();
  ASSERT_NE(table, nullptr);
  std::string text =
      explain(*table, {.user = "app", .database = "customer_eu_17", .application_name = ""});
  EXPECT_THAT(page(), testing::HasSubstr("customer_eu_17\n" + text + "```"));
}

}  // namespace
}  // namespace trunkline::route
