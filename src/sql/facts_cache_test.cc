#include "sql/facts_cache.h"

#include <gtest/gtest.h>
#include <set>
#include <string>

#include "sql/text_hash.h"

namespace trunkline::sql {
namespace {

constexpr uint64_t kSeed = 42;

std::string text_number(int i) {
  return "select " + std::to_string(i);
}

TEST(FactsCache, GivesTheSameFactsAgain) {
  FactsCache cache({}, kSeed);
  auto first = cache.get("set a = b", {});
  EXPECT_TRUE(first->has(StatementKind::set));
  EXPECT_EQ(cache.get(std::string("set a = b"), {}), first);
  EXPECT_NE(cache.get("set a = c", {}), first);
  EXPECT_EQ(cache.hits(), 1);
  EXPECT_EQ(cache.misses(), 2);
  EXPECT_EQ(cache.entries(), 2);
}

TEST(FactsCache, TellsTextsApartByHowTheyAreRead) {
  FactsCache cache({}, kSeed);
  const char* text = "select '\\'; listen a; --'";
  Syntax backslashes{.standard_conforming_strings = false};
  EXPECT_TRUE(cache.get(text, {})->has(StatementKind::listen));
  EXPECT_FALSE(cache.get(text, backslashes)->has(StatementKind::listen));
  EXPECT_NE(cache.get("", {}), cache.get("", {.encoding = Encoding::sjis}));
  EXPECT_EQ(cache.entries(), 4);
}

TEST(FactsCache, StaysWithinItsBytes) {
  FactsCache cache({.bytes = 20000}, kSeed);
  for (int i = 0; i < 1000; ++i) {
    cache.get(text_number(i), {});
    ASSERT_LE(cache.bytes(), 20000);
  }
  EXPECT_GT(cache.bytes(), 15000);
  EXPECT_LT(cache.entries(), 200);
  cache.clear();
  EXPECT_EQ(cache.bytes(), 0);
  EXPECT_EQ(cache.entries(), 0);
}

TEST(FactsCache, KeepsWhatIsUsed) {
  FactsCache cache({.bytes = 20000}, kSeed);
  auto kept = cache.get("select 'kept'", {});
  for (int i = 0; i < 1000; ++i) {
    cache.get(text_number(i), {});
    ASSERT_EQ(cache.get("select 'kept'", {}), kept) << i;
  }
  EXPECT_EQ(cache.hits(), 1000);
}

TEST(FactsCache, MakesRoomAlsoWhenEverythingIsUsed) {
  FactsCache cache({.bytes = 400000}, kSeed);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 500; ++i) cache.get(text_number(i), {});
  }
  for (int i = 0; i < 2000; ++i) cache.get("select 'new " + std::to_string(i) + "'", {});
  EXPECT_LE(cache.bytes(), 400000);
}

TEST(FactsCache, GivesOutWhatOutlivesIt) {
  std::shared_ptr<const TextFacts> facts;
  {
    FactsCache cache({}, kSeed);
    facts = cache.get("listen a", {});
  }
  EXPECT_EQ(facts->statements()[0].name.text, "a");
}

TEST(FactsCache, DoesNotKeepLongTexts) {
  FactsCache cache({.inspect_limit = 100}, kSeed);
  std::string most = "select '" + std::string(91, 'x') + "'";
  ASSERT_EQ(most.size(), 100);
  EXPECT_TRUE(cache.get(most, {})->is_plain());
  EXPECT_EQ(cache.entries(), 1);
  EXPECT_TRUE(cache.get(most + " ", {})->is_plain());
  EXPECT_EQ(cache.entries(), 1);
}

TEST(FactsCache, DoesNotKeepWhatWouldNotFit) {
  FactsCache cache({.bytes = 1000}, kSeed);
  cache.get("select 1", {});
  EXPECT_EQ(cache.entries(), 1);
  EXPECT_TRUE(cache.get("select '" + std::string(1000, 'x') + "'", {})->is_plain());
  EXPECT_EQ(cache.entries(), 1);
}

TEST(TextHash, DiffersByLengthByteAndSeed) {
  std::set<uint64_t> hashes;
  std::string text;
  for (size_t length = 0; length < 70; ++length, text += '\0') {
    hashes.insert(hash_text(text, kSeed));
    hashes.insert(hash_text(text, kSeed + 1));
    for (size_t i = 0; i < length; ++i) {
      std::string other = text;
      other[i] = 'x';
      hashes.insert(hash_text(other, kSeed));
    }
  }
  EXPECT_EQ(hashes.size(), size_t{70} * 2 + size_t{70} * 69 / 2);
}

}  // namespace
}  // namespace trunkline::sql
