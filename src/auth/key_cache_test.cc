#include "auth/key_cache.h"

#include <gtest/gtest.h>

#include "auth/mock_secrets.h"

namespace trunkline::auth {
namespace {

ScramKeys keys(std::string_view mark) {
  return {Secret(mark), Secret(mark)};
}

TEST(KeyCache, FindsWhatWasInsertedForExactlyThisPasswordSaltAndCount) {
  KeyCache cache;
  cache.insert(Secret("secret"), "salt", 4096, keys("k"));
  auto found = cache.find(Secret("secret"), "salt", 4096);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->client_key.reveal(), "k");
  EXPECT_EQ(found->server_key.reveal(), "k");
  EXPECT_FALSE(cache.find(Secret("secret"), "salt", 4097));
  EXPECT_FALSE(cache.find(Secret("secret"), "salu", 4096));
  EXPECT_FALSE(cache.find(Secret("secreT"), "salt", 4096));
  EXPECT_FALSE(cache.find(Secret("tsecret"), "sal", 4096));  // the border between the two counts
}

TEST(KeyCache, TheOldestEntryMakesRoom) {
  KeyCache cache(2);
  for (std::string_view salt : {"one", "two"}) cache.insert(Secret("p"), salt, 1, keys(salt));
  EXPECT_TRUE(cache.find(Secret("p"), "one", 1));
  cache.insert(Secret("p"), "two", 1, keys("again"));
  EXPECT_TRUE(cache.find(Secret("p"), "one", 1));
  cache.insert(Secret("p"), "three", 1, keys("three"));
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_FALSE(cache.find(Secret("p"), "one", 1));
  EXPECT_EQ(cache.find(Secret("p"), "two", 1)->client_key.reveal(), "two");
  EXPECT_TRUE(cache.find(Secret("p"), "three", 1));
}

TEST(MockSecrets, TheSaltStaysTheSameForAKeyAndAName) {
  MockSecrets one(Secret("key")), same(Secret("key")), other(Secret("another"));
  EXPECT_EQ(one.salt("bob").size(), kScramSaltBytes);
  EXPECT_EQ(one.salt("bob"), same.salt("bob"));
  EXPECT_NE(one.salt("bob"), one.salt("alice"));
  EXPECT_NE(one.salt("bob"), other.salt("bob"));
}

TEST(MockSecrets, TheFirstExchangeOfANameIsFirstOnce) {
  MockSecrets mock(Secret("key"));
  EXPECT_TRUE(mock.first_exchange("bob"));
  EXPECT_FALSE(mock.first_exchange("bob"));
  EXPECT_TRUE(mock.first_exchange("alice"));
}

TEST(MockSecrets, StrangersCanOnlyCauseSoManyFirstExchanges) {
  MockSecrets mock(Secret("key"));
  int firsts = 0;
  for (int i = 0; i < 200'000; ++i) firsts += mock.first_exchange("u" + std::to_string(i));
  EXPECT_LE(firsts, 65'536);
  EXPECT_GT(firsts, 60'000);
}

}  // namespace
}  // namespace trunkline::auth
