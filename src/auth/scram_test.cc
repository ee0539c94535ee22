#include "auth/scram.h"

#include <gtest/gtest.h>

#include "auth/saslprep.h"

namespace trunkline::auth {
namespace {

struct Stored {
  std::string_view password;
  std::string_view verifier;
};

// Made by PostgreSQL 15.
const Stored kStored[] = {
    {"secret",
     "SCRAM-SHA-256$4096:zDdE61QwN1AOzTsqBallzA==$xrPle+dKvuJcHACOfMiavtt7fLV+Anx8Dc8uucYjOEw=:"
     "jMbVHlI31OCoXSJlt+HDZyjQ/7XRfQoj6xSgCvFrG5U="},
    {"I\u00ADX",
     "SCRAM-SHA-256$4096:bfCCmqMHYCmzrmNxU5riHA==$E5DhzgcNy74lkvSY2nibbW0G7EZn7SQ/nAKJaaDvPsE=:"
     "sYn2zylIiRETHs4eez9x0FqRpf78oJTSNK3hHfG3/Pg="},
    {"\u00AA\u2168",
     "SCRAM-SHA-256$4096:F2SJ18BwfQMcKq/rnIg0GA==$/wSzaTbXe0RvQoPnPrN+7yQjSlNpCnPZqjXlG+eOdwY=:"
     "+FrRbjsKdB5/JnZS2NJ2t8fypHbmPokNx3X+mmosFc4="},
    {"a\u00A0b\u200Bc",
     "SCRAM-SHA-256$4096:nCx3tKSaUyMly9TJIUxuuw==$Fec4JLdh13VsfDCFdNQewyXNI6nZ5Pc3WiJ75ux4eRw=:"
     "+DIS23bALWc7CjTEetAVKnF5GOQ3A1swQkqgKTpUZp0="},
    {"x\u0007\u00E9",
     "SCRAM-SHA-256$4096:1XrVk5zGbBzuKz83BxKxgA==$i6DsyGU+EkEJQAGz2nXa0sCt7hBJzwcHQE2QKNr26Ac=:"
     "nSztArJuxWQAmg9Q4dhpxQDcZMn0r3UMBCMLS0Aeqok="},
    {"\u06271",
     "SCRAM-SHA-256$4096:CaKgjD39zJ6SYyx8AQsDeg==$jFN3yzXjojq3/TxC3q3UhRJiPe68WMJDaO+ii8tPDCw=:"
     "+I3BruwAXVUcau/yO7Nkf4kOQ3r6RYoMToIDbySJib8="},
    {"\u0221\u00E9",
     "SCRAM-SHA-256$4096:H2ijBoObfWYBdXaIapAi4A==$J49eljcIGeckpKVBsR12LawwkWzB45PssfS9Ck5Hwi8=:"
     "CPFbCEWUVbEGlAPVrWK3ONCwCXV6LtmZXRzLB75/jzE="},
    {"\uFDFA\u00E9",
     "SCRAM-SHA-256$4096:0f7/AUe+bVC+OjViRyDD7w==$l9HkRSZs7zj9IbLZTYeOkoVx85ufJRVTMqAelcQrvdc=:"
     "SJmLC44pfpTosYsB/B/5G6CTjAQHbPy9ncSUP0S/1uk="},
    {"\u00AD",
     "SCRAM-SHA-256$4096:NnM85gLhXsNl7PBYtxkT7g==$Cnk4wDixHqMo5WKImdOAI3+f8vGlK/DRsiiItRvmX0c=:"
     "Gce1KC0FllqUYVv3BZqlcfkd6XUFmaw/dyeUZZcZP68="},
};

TEST(Scram, DerivesWhatPostgresStoresAlsoForPasswordsThatNeedSaslprep) {
  for (const Stored& stored : kStored) {
    std::optional<ScramVerifier> verifier = ScramVerifier::parse(stored.verifier);
    ASSERT_TRUE(verifier) << stored.verifier;
    KeyDerivation derivation{Secret(stored.password), verifier->salt, verifier->iterations, {}};
    derivation.run();
    EXPECT_EQ(ScramVerifier::from_keys(derivation.salt, derivation.iterations, derivation.keys)
                  .format()
                  .reveal(),
              stored.verifier)
        << stored.password;
  }
}

TEST(Scram, AVerifierIsPrintedAsItWasRead) {
  for (const Stored& stored : kStored)
    EXPECT_EQ(ScramVerifier::parse(stored.verifier)->format().reveal(), stored.verifier);
}

TEST(Scram, AVerifierCutAnywhereIsRefused) {
  for (size_t size = 0; size < kStored[0].verifier.size(); ++size)
    EXPECT_FALSE(ScramVerifier::parse(kStored[0].verifier.substr(0, size))) << size;
}

TEST(Scram, MalformedVerifiersAreRefused) {
  const std::string tail(kStored[0].verifier.substr(kStored[0].verifier.find(':')));
  EXPECT_TRUE(ScramVerifier::parse("SCRAM-SHA-256$1" + tail));
  EXPECT_TRUE(ScramVerifier::parse("SCRAM-SHA-256$1000000" + tail));
  for (std::string_view iterations : {"0", "1000001", "-1", "+1", " 1", "", "4096x", "99999999999"})
    EXPECT_FALSE(ScramVerifier::parse("SCRAM-SHA-256$" + std::string(iterations) + tail))
        << iterations;
  EXPECT_FALSE(ScramVerifier::parse("SCRAM-SHA-1$4096" + tail));
  EXPECT_FALSE(ScramVerifier::parse("SCRAM-SHA-256$4096" + tail + "x"));
  EXPECT_FALSE(ScramVerifier::parse("SCRAM-SHA-256$4096:" + tail.substr(tail.find('$'))));
}

TEST(Scram, TheSaltOfAVerifierIsBounded) {
  auto with_salt = [](size_t bytes) {
    std::string key = base64_encode(std::string(kSha256Bytes, 'k'));
    return ScramVerifier::parse("SCRAM-SHA-256$4096:" + base64_encode(std::string(bytes, 's')) +
                                "$" + key + ":" + key);
  };
  EXPECT_FALSE(with_salt(0));
  EXPECT_TRUE(with_salt(1));
  EXPECT_TRUE(with_salt(kScramSaltBytesMax));
  EXPECT_FALSE(with_salt(kScramSaltBytesMax + 1));
}

TEST(Saslprep, MatchesTheExamplesOfRfc4013) {
  EXPECT_EQ(saslprep("I\u00ADX").reveal(), "IX");
  EXPECT_EQ(saslprep("user").reveal(), "user");
  EXPECT_EQ(saslprep("USER").reveal(), "USER");
  EXPECT_EQ(saslprep("\u00AA").reveal(), "a");
  EXPECT_EQ(saslprep("\u2168").reveal(), "IX");
}

TEST(Saslprep, WhatItProhibitsIsUsedAsItIs) {
  for (std::string_view raw : {"\u0007", "\u06271", "\u00AD", "\u0221", "\uFFFD"})
    EXPECT_EQ(saslprep(raw).reveal(), raw);
}

TEST(Saslprep, WhatIsNotUtf8IsUsedAsItIs) {
  for (std::string_view raw :
       {"\xff", "a\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3\xa9\xc3", "\xe2\x85"})
    EXPECT_EQ(saslprep(raw).reveal(), raw);
}

TEST(Saslprep, TheCharacterThatGrowsMostFits) {
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "\uFDFA";
  EXPECT_EQ(saslprep(many).reveal().size(), saslprep("\uFDFA").reveal().size() * 1000);
  EXPECT_GT(saslprep("\uFDFA").reveal().size(), 18U);
}

TEST(Saslprep, FourByteSequencesAndTheEmptyPasswordPass) {
  EXPECT_EQ(saslprep("\U0001D400").reveal(), "A");  // mathematical bold capital A
  EXPECT_EQ(saslprep("\U00020000").reveal(), "\U00020000");
  EXPECT_EQ(saslprep("").reveal(), "");
}

}  // namespace
}  // namespace trunkline::auth
