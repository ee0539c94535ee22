#include "session/cancel_registry.h"

#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

#include "wire/cancel_key.h"

namespace trunkline::session {
namespace {

const std::string kMacKey(32, 'k');

struct Registry : CancelRegistry {
  explicit Registry(uint16_t node = 7, std::string mac_key = kMacKey)
      : CancelRegistry(node, Secret(mac_key)) {}

  std::optional<Target> find(const server::CancelKey& key) const {
    return CancelRegistry::find(key.process_id, key.secret);
  }
};

void expect_target(const std::optional<CancelRegistry::Target>& found, uint32_t worker,
                   uint32_t session) {
  ASSERT_TRUE(found);
  EXPECT_EQ(found->worker, worker);
  EXPECT_EQ(found->session, session);
}

TEST(CancelRegistryTest, FindsTheSessionOfAKeyOfEachVersion) {
  Registry registry;
  server::CancelKey short_key = registry.issue({.worker = 1, .session = 10}, false);
  server::CancelKey long_key = registry.issue({.worker = 2, .session = 20}, true);
  EXPECT_EQ(short_key.secret.size(), 4);
  EXPECT_EQ(long_key.secret.size(), wire::LongCancelKey::kBytes);
  expect_target(registry.find(short_key), 1, 10);
  expect_target(registry.find(long_key), 2, 20);
  EXPECT_EQ(registry.size(), 2);
}

TEST(CancelRegistryTest, ProcessIdsArePositiveAsClientsShowThem) {
  Registry registry;
  for (uint32_t i = 0; i < 200; ++i) {
    EXPECT_LE(registry.issue({.worker = 0, .session = i}, i % 2 == 0).process_id, 0x7fffffffU);
  }
}

TEST(CancelRegistryTest, AWithdrawnKeyFindsNothing) {
  Registry registry;
  for (bool is_long : {false, true}) {
    server::CancelKey key = registry.issue({.worker = 1, .session = 10}, is_long);
    server::CancelKey other = registry.issue({.worker = 1, .session = 11}, is_long);
    registry.withdraw(registry.place_of(key));
    EXPECT_FALSE(registry.find(key));
    expect_target(registry.find(other), 1, 11);
    registry.withdraw(registry.place_of(key));
    registry.withdraw(registry.place_of(other));
    EXPECT_EQ(registry.size(), 0);
  }
  CancelRegistry::Place none = registry.place_of({.process_id = 1, .secret = "?"});
  EXPECT_EQ(none.kind, CancelRegistry::Place::Kind::none);
  registry.withdraw(none);
}

TEST(CancelRegistryTest, AKeyWithAnyBitChangedFindsNothing) {
  Registry registry;
  for (bool is_long : {false, true}) {
    server::CancelKey key = registry.issue({.worker = 1, .session = 10}, is_long);
    for (size_t bit = 0; bit < 8 * key.secret.size(); ++bit) {
      server::CancelKey forged = key;
      forged.secret[bit / 8] ^= static_cast<char>(1 << bit % 8);
      EXPECT_FALSE(registry.find(forged)) << bit;
    }
    for (uint32_t bit = 0; bit < 32; ++bit) {
      EXPECT_FALSE(registry.find({key.process_id ^ 1U << bit, key.secret})) << bit;
    }
  }
}

TEST(CancelRegistryTest, AKeyOfAnotherLengthFindsNothing) {
  Registry registry;
  for (bool is_long : {false, true}) {
    server::CancelKey key = registry.issue({.worker = 1, .session = 10}, is_long);
    for (size_t length = 0; length < key.secret.size(); ++length) {
      EXPECT_FALSE(registry.find({key.process_id, key.secret.substr(0, length)})) << length;
    }
    EXPECT_FALSE(registry.find({key.process_id, key.secret + "x"}));
    EXPECT_FALSE(registry.find({key.process_id, key.secret + std::string(256, 'x')}));
  }
}

TEST(CancelRegistryTest, KeysOfAnotherNodeOrSecretAreNotOurs) {
  Registry registry;
  for (bool is_long : {false, true}) {
    Registry other_node(8);
    Registry other_secret(7, std::string(32, 'o'));
    registry.issue({.worker = 1, .session = 10}, is_long);
    EXPECT_FALSE(registry.find(other_node.issue({.worker = 1, .session = 10}, is_long)));
    EXPECT_FALSE(registry.find(other_secret.issue({.worker = 1, .session = 10}, is_long)));
  }
}

TEST(CancelRegistryTest, AKeyOfTheProcessBeforeTheRestartIsWorthless) {
  Registry before;
  Registry after;  // with the same node and secret
  for (bool is_long : {false, true}) {
    server::CancelKey old = before.issue({.worker = 1, .session = 10}, is_long);
    after.issue({.worker = 1, .session = 10}, is_long);
    EXPECT_FALSE(after.find(old));
  }
}

TEST(CancelRegistryTest, ManyThreadsIssueFindAndWithdraw) {
  Registry registry;
  constexpr uint32_t kThreads = 8;
  constexpr uint32_t kSessions = 1000;
  std::vector<std::thread> threads;
  for (uint32_t worker = 0; worker < kThreads; ++worker) {
    threads.emplace_back([&registry, worker] {
      std::vector<server::CancelKey> keys;
      for (uint32_t i = 0; i < kSessions; ++i) {
        keys.push_back(
            registry.issue({.worker = worker, .session = worker * kSessions + i}, i % 2 == 0));
      }
      for (uint32_t i = 0; i < kSessions; ++i) {
        expect_target(registry.find(keys[i]), worker, worker * kSessions + i);
        if (i % 4 != 0) registry.withdraw(registry.place_of(keys[i]));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.size(), kThreads * kSessions / 4);
}

}  // namespace
}  // namespace trunkline::session
