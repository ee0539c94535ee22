#include "auth/user_store.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <gtest/gtest.h>

#include "auth/auth_config.h"

namespace trunkline::auth {
namespace {

constexpr std::string_view kMd5 = "md54a0a68b43b6cd5cf266fa02f196e2371";

std::string verifier(uint32_t iterations) {
  std::string key = base64_encode(std::string(kSha256Bytes, 'k'));
  return "SCRAM-SHA-256$" + std::to_string(iterations) + ":c2FsdA==$" + key + ":" + key;
}

config::User user(std::string name, std::string_view password, int line = 1) {
  return {{"users.txt", line, 1}, std::move(name), Secret(password)};
}

std::vector<config::User> list(auto&&... users) {
  std::vector<config::User> result;
  (result.push_back(std::move(users)), ...);
  return result;
}

size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

TEST(UserStore, TellsTheKindsOfSecretsApart) {
  auto store = UserStore::compile(list(user("plain", "secret"), user("md5", kMd5),
                                       user("scram", verifier(4096)), user("none", ""),
                                       user("almost", "md5 is my password")));
  ASSERT_TRUE(store);
  EXPECT_EQ(store->size(), 5U);
  EXPECT_EQ(store->find("plain")->as<PlainPassword>()->text.reveal(), "secret");
  EXPECT_EQ(store->find("md5")->as<Md5Password>()->stored.reveal(), kMd5);
  EXPECT_EQ(store->find("scram")->as<ScramVerifier>()->iterations, 4096U);
  EXPECT_TRUE(store->find("none")->as<std::monostate>());
  EXPECT_TRUE(store->find("almost")->as<PlainPassword>());
  EXPECT_EQ(store->find("nobody"), nullptr);
  EXPECT_EQ(store->find(""), nullptr);
}

TEST(UserStore, ReportsEveryProblemWithItsPlace) {
  auto store = UserStore::compile(list(user("bob", "x", 1), user("bob", "y", 2), user("", "x", 3),
                                       user("eve", "SCRAM-SHA-256$4096:broken", 4),
                                       user(std::string(64, 'n'), "x", 5),
                                       user("zero", std::string_view("a\0b", 3), 6)));
  ASSERT_FALSE(store);
  ASSERT_EQ(store.error().size(), 5U);
  std::vector<int> lines;
  for (const auto& problem : store.error()) lines.push_back(problem.at.line);
  std::ranges::sort(lines);
  EXPECT_EQ(lines, (std::vector{2, 3, 4, 5, 6}));
  for (const auto& problem : store.error())
    EXPECT_EQ(problem.text.find("broken"), std::string::npos) << "a secret in an error";
}

TEST(UserStore, NamesUpToPostgresLengthAreTaken) {
  EXPECT_TRUE(UserStore::compile(list(user(std::string(63, 'n'), "x"))));
}

TEST(UserStore, AnExchangeWithNobodyLooksLikeMostOfThisStore) {
  auto empty = UserStore::compile({});
  EXPECT_EQ(empty->traits().mock_iterations, kScramIterations);
  EXPECT_FALSE(empty->traits().mostly_md5);
  EXPECT_FALSE(empty->traits().holds_plain);

  auto mixed = UserStore::compile(list(user("a", verifier(10'000)), user("b", verifier(10'000)),
                                       user("c", verifier(4096)), user("d", kMd5)));
  EXPECT_EQ(mixed->traits().mock_iterations, 10'000U);
  EXPECT_FALSE(mixed->traits().mostly_md5);
  EXPECT_TRUE(mixed->traits().holds_verifiers);
  EXPECT_FALSE(mixed->traits().holds_plain);

  auto old = UserStore::compile(list(user("a", kMd5), user("b", "plain")));
  EXPECT_TRUE(old->traits().mostly_md5);
  EXPECT_TRUE(old->traits().holds_plain);
  EXPECT_FALSE(old->traits().holds_verifiers);
}

TEST(UserStore, TenThousandUsersLoadInUnderASecondAndTwentyMegabytes) {
  std::vector<config::User> users;
  const std::string stored = verifier(4096);
  for (int i = 0; i < 10'000; ++i) users.push_back(user("user_" + std::to_string(i), stored));
  size_t resident_before = resident_bytes();
  auto before = std::chrono::steady_clock::now();
  auto store = UserStore::compile(users);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(1));
  ASSERT_TRUE(store);
  EXPECT_TRUE(store->find("user_0")->as<ScramVerifier>());
  EXPECT_TRUE(store->find("user_9999"));
  EXPECT_FALSE(store->find("user_10000"));
  EXPECT_LT(resident_bytes() - resident_before, 20U << 20);
}

TEST(AuthConfig, CollectsTheProblemsOfAllItsParts) {
  config::Config config;
  config.users = list(user("", "x"));
  config.ident.push_back({{}, "map", "/(", "x"});
  config.authentication.push_back({.method = config::AuthMethod::peer});
  auto compiled = compile(config);
  ASSERT_FALSE(compiled);
  EXPECT_EQ(compiled.error().size(), 3U);
  EXPECT_TRUE(compile(config::Config{}));
}

}  // namespace
}  // namespace trunkline::auth
