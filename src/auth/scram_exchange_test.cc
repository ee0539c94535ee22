// Both ends of SCRAM against each other, and each against a hostile other end.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "auth/scram_client.h"
#include "auth/scram_server.h"

namespace trunkline::auth {
namespace {

using Binding = ScramClient::Binding;

const std::string kHash = std::string(32, '\x5a');

ScramKeys keys_of(std::string_view password, std::string salt, uint32_t iterations) {
  KeyDerivation derivation{Secret(password), std::move(salt), iterations, {}};
  derivation.run();
  return std::move(derivation.keys);
}

// RFC 7677, section 3.
struct Rfc7677 {
  const std::string salt = *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
  const std::string first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
  const std::string nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const std::string final = "c=biws,r=" + nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
  const ScramVerifier verifier =
      ScramVerifier::from_keys(salt, 4096, keys_of("pencil", salt, 4096));

  ScramServer server(std::string endpoint_hash = {}) const {
    return {salt, 4096, std::move(endpoint_hash), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"};
  }
  std::optional<ScramServer::Verified> verify(const ScramServer& server, bool known = true) const {
    return server.verify(verifier.stored_key.reveal(), verifier.server_key.reveal(), known);
  }
};

TEST(ScramServer, MatchesTheExampleOfRfc7677) {
  Rfc7677 rfc;
  ScramServer server = rfc.server();
  EXPECT_EQ(server.on_client_first(kScramSha256, rfc.first),
            "r=" + rfc.nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
  ASSERT_TRUE(server.on_client_final(rfc.final));
  auto verified = rfc.verify(server);
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->server_final, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  EXPECT_EQ(verified->client_key.reveal(), keys_of("pencil", rfc.salt, 4096).client_key.reveal());
}

TEST(ScramServer, AnUnknownUserFailsAtTheEndEvenWithTheRightProof) {
  Rfc7677 rfc;
  ScramServer server = rfc.server();
  ASSERT_TRUE(server.on_client_first(kScramSha256, rfc.first));
  ASSERT_TRUE(server.on_client_final(rfc.final));
  EXPECT_FALSE(rfc.verify(server, false));
}

TEST(ScramServer, EveryChangedByteOfTheFinalMessageIsRefused) {
  Rfc7677 rfc;
  for (size_t at = 0; at < rfc.final.size(); ++at) {
    ScramServer server = rfc.server();
    ASSERT_TRUE(server.on_client_first(kScramSha256, rfc.first));
    std::string changed = rfc.final;
    changed[at] ^= 1;
    EXPECT_FALSE(server.on_client_final(changed) && rfc.verify(server)) << at;
  }
}

TEST(ScramServer, MessagesCutAnywhereAreRefused) {
  Rfc7677 rfc;
  for (size_t size = 0; size < rfc.final.size(); ++size) {
    ScramServer server = rfc.server();
    ASSERT_TRUE(server.on_client_first(kScramSha256, rfc.first));
    EXPECT_FALSE(server.on_client_final(rfc.final.substr(0, size))) << size;
  }
  for (size_t size = 0; size < rfc.first.find("r=") + 2; ++size)
    EXPECT_FALSE(rfc.server().on_client_first(kScramSha256, rfc.first.substr(0, size))) << size;
}

struct Refusal {
  std::string_view mechanism;
  std::string first;
  bool tls;
  std::string_view sqlstate;
  std::string message;
  std::string detail;
};

TEST(ScramServer, RefusesFirstMessagesInPostgresWords) {
  const std::string kMalformed = "malformed SCRAM message";
  const Refusal refusals[] = {
      {"SCRAM-SHA-512", "n,,n=,r=x", true, "08P01",
       "client selected an invalid SASL authentication mechanism", ""},
      {kScramSha256Plus, "p=tls-server-end-point,,n=,r=x", false, "08P01",
       "client selected an invalid SASL authentication mechanism", ""},
      {kScramSha256, "", false, "08P01", kMalformed, "The message is empty."},
      {kScramSha256, std::string("n,,n=,r=x\0", 10), false, "08P01", kMalformed,
       "Message length does not match input length."},
      {kScramSha256, "y,,n=,r=x", true, "28000", "SCRAM channel binding negotiation error",
       "The client supports SCRAM channel binding but thinks the server does not.  However, this "
       "server does support channel binding."},
      {kScramSha256Plus, "n,,n=,r=x", true, "08P01", kMalformed,
       "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel "
       "binding data."},
      {kScramSha256Plus, "y,,n=,r=x", true, "08P01", kMalformed,
       "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel "
       "binding data."},
      {kScramSha256, "p=tls-server-end-point,,n=,r=x", true, "08P01", kMalformed,
       "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes "
       "channel binding data."},
      {kScramSha256Plus, "p=tls-unique,,n=,r=x", true, "08P01",
       "unsupported SCRAM channel-binding type \"tls-unique\"", ""},
      {kScramSha256, "x,,n=,r=x", false, "08P01", kMalformed,
       "Unexpected channel-binding flag \"'x'\"."},
      {kScramSha256, "n;,n=,r=x", false, "08P01", kMalformed,
       "Comma expected, but found character \"';'\"."},
      {kScramSha256, "n", false, "08P01", kMalformed,
       "Comma expected, but found character \"0x00\"."},
      {kScramSha256, "n,a=bob,n=,r=x", false, "0A000",
       "client uses authorization identity, but it is not supported", ""},
      {kScramSha256, "n,b,n=,r=x", false, "08P01", kMalformed,
       "Unexpected attribute \"'b'\" in client-first-message."},
      {kScramSha256, "n,,m=x,n=,r=x", false, "0A000",
       "client requires an unsupported SCRAM extension", ""},
      {kScramSha256, "n,,r=x", false, "08P01", kMalformed,
       "Expected attribute \"n\" but found \"'r'\"."},
      {kScramSha256, "n,,n:,r=x", false, "08P01", kMalformed,
       "Expected character \"=\" for attribute \"n\"."},
      {kScramSha256, "n,,n=,r=a\x01", false, "08P01", "non-printable characters in SCRAM nonce",
       ""},
      {kScramSha256, "n,,n=,r=x,1=y", false, "08P01", kMalformed,
       "Attribute expected, but found invalid character \"'1'\"."},
  };
  for (const Refusal& refusal : refusals) {
    ScramServer server("salt", 4096, refusal.tls ? kHash : "", "nonce");
    Result<std::string> answer = server.on_client_first(refusal.mechanism, refusal.first);
    ASSERT_FALSE(answer) << refusal.first;
    EXPECT_EQ(answer.error().sqlstate, refusal.sqlstate) << refusal.first;
    EXPECT_EQ(answer.error().message, refusal.message) << refusal.first;
    EXPECT_EQ(answer.error().detail, refusal.detail) << refusal.first;
  }
}

TEST(ScramServer, YIsFineWhenPlusWasNotOfferedAndUnknownExtensionsAreIgnored) {
  EXPECT_TRUE(ScramServer("salt", 4096, "", "n").on_client_first(kScramSha256, "y,,n=,r=x,e=1"));
}

TEST(ScramServer, TakesAnEmptyNonceAndACommaAtTheEndAsPostgresDoes) {
  ScramServer server("salt", 4096, "", "nonce");
  EXPECT_TRUE(server.on_client_first(kScramSha256, "n,,n=,r=,"));
  EXPECT_TRUE(server.on_client_final("c=biws,r=nonce,p=" + base64_encode(kHash) + ","));
}

TEST(ScramServer, RefusesFinalMessagesInPostgresWords) {
  const std::pair<std::string, std::string> refusals[] = {
      {"r=xnonce", "Expected attribute \"c\" but found \"'r'\"."},
      {"c=biws,r=xnonce", "Attribute expected, but found end of string."},
      {"c=biws,r=xnonce,p=AAAA", "Malformed proof in client-final-message."},
      {"c=biws,r=xnonce,p=" + base64_encode(kHash) + ",z=1",
       "Garbage found at the end of client-final-message."},
      {"c=biws,r=other,p=" + base64_encode(kHash), "Nonce does not match."},
      {"c=eSws,r=xnonce,p=" + base64_encode(kHash), ""},
  };
  for (const auto& [message, detail] : refusals) {
    ScramServer server("salt", 4096, "", "nonce");
    ASSERT_TRUE(server.on_client_first(kScramSha256, "n,,n=,r=x"));
    Result<> answer = server.on_client_final(message);
    ASSERT_FALSE(answer) << message;
    EXPECT_EQ(answer.error().sqlstate, sqlstate::kProtocolViolation);
    EXPECT_EQ(answer.error().detail, detail);
  }
}

TEST(ScramServer, OffersPlusFirstAndOnlyWhenItCan) {
  EXPECT_EQ(scram_mechanisms(true), std::string_view("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", 34));
  EXPECT_EQ(scram_mechanisms(false), std::string_view("SCRAM-SHA-256\0\0", 15));
}

// One whole exchange; true when both ends are satisfied.
struct Exchange {
  std::string salt = "0123456789abcdef";
  uint32_t iterations = 2;
  std::string password = "secret";
  std::string client_password = "secret";
  Binding binding = Binding::unsupported;
  std::string client_hash = {};
  std::string server_hash = {};

  Result<bool> run() const {
    ScramServer server(salt, iterations, server_hash, scram_nonce());
    ScramClient client(binding, client_hash, scram_nonce());
    auto server_first = server.on_client_first(client.mechanism(), client.client_first());
    if (!server_first) return std::unexpected(server_first.error());
    if (auto ok = client.on_server_first(*server_first); !ok) return std::unexpected(ok.error());
    ScramKeys client_keys = keys_of(client_password, client.salt(), client.iterations());
    auto ok = server.on_client_final(client.client_final(client_keys).reveal());
    if (!ok) return std::unexpected(ok.error());
    ScramVerifier verifier =
        ScramVerifier::from_keys(salt, iterations, keys_of(password, salt, iterations));
    auto verified = server.verify(verifier.stored_key.reveal(), verifier.server_key.reveal(), true);
    if (!verified) return false;
    EXPECT_EQ(verified->client_key.reveal(), client_keys.client_key.reveal());
    if (ok = client.on_server_final(verified->server_final); !ok)
      return std::unexpected(ok.error());
    return true;
  }
};

TEST(ScramExchange, OurEndsUnderstandEachOtherWithAndWithoutChannelBinding) {
  EXPECT_EQ(Exchange{}.run(), true);
  EXPECT_EQ((Exchange{.binding = Binding::not_offered}).run(), true);
  EXPECT_EQ(
      (Exchange{.binding = Binding::end_point, .client_hash = kHash, .server_hash = kHash}).run(),
      true);
  std::string sha512(64, 'h');
  EXPECT_EQ(
      (Exchange{.binding = Binding::end_point, .client_hash = sha512, .server_hash = sha512}).run(),
      true);
  EXPECT_EQ((Exchange{.server_hash = kHash}).run(), true);  // a client that cannot bind
}

TEST(ScramExchange, AWrongPasswordFails) {
  EXPECT_EQ((Exchange{.client_password = "secreT"}).run(), false);
}

TEST(ScramExchange, ADifferentCertificateBetweenTheEndsIsNoticed) {
  auto result =
      Exchange{
          .binding = Binding::end_point, .client_hash = std::string(32, 'm'), .server_hash = kHash}
          .run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "SCRAM channel binding check failed");
  EXPECT_EQ(result.error().sqlstate, sqlstate::kInvalidAuthorization);
}

TEST(ScramExchange, AStrippedOfferOfPlusIsNoticed) {
  auto result = Exchange{.binding = Binding::not_offered, .server_hash = kHash}.run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "SCRAM channel binding negotiation error");
}

ScramClient client_with_nonce() {
  return {Binding::unsupported, "", "abc"};
}

TEST(ScramClient, RefusesHostileFirstAnswers) {
  for (std::string message :
       {"", "r=abc,s=c2FsdA==,i=4096", "r=abd1,s=c2FsdA==,i=4096", "r=,s=c2FsdA==,i=4096",
        "r=abcd\x7f,s=c2FsdA==,i=4096", "r=abcd,s=,i=4096", "r=abcd,s=c2Fsd,i=4096",
        "r=abcd,i=4096,s=c2FsdA==", "r=abcd,s=c2FsdA==,i=", "r=abcd,s=c2FsdA==,i=4096x",
        "r=abcd,s=c2FsdA==,i=4096,x=1", "r=abcd,s=c2FsdA==,i=4096,", "m=x,r=abcd,s=c2FsdA==,i=1",
        "e=other-error"})
    EXPECT_FALSE(client_with_nonce().on_server_first(message)) << message;
}

TEST(ScramClient, AFirstAnswerCutAnywhereNeverAsksForMoreThanItSays) {
  const std::string whole = "r=abcd,s=c2FsdA==,i=4096";
  for (size_t size = 0; size < whole.size() - 3; ++size)
    EXPECT_FALSE(client_with_nonce().on_server_first(whole.substr(0, size))) << size;
  EXPECT_TRUE(client_with_nonce().on_server_first(whole));
}

TEST(ScramClient, IterationsAreBounded) {
  auto accepts = [](uint64_t iterations) {
    return client_with_nonce()
        .on_server_first(fmt::format("r=abcd,s=c2FsdA==,i={}", iterations))
        .has_value();
  };
  EXPECT_FALSE(accepts(0));
  EXPECT_TRUE(accepts(1));
  EXPECT_TRUE(accepts(kScramIterationsMax));
  EXPECT_FALSE(accepts(kScramIterationsMax + 1ULL));
  EXPECT_FALSE(accepts((1ULL << 32) + 4096));
}

TEST(ScramClient, NonceAndSaltAreBounded) {
  auto accepts = [](size_t nonce_bytes, size_t salt_bytes) {
    return client_with_nonce()
        .on_server_first(fmt::format("r=abc{},s={},i=4096", std::string(nonce_bytes - 3, 'x'),
                                     base64_encode(std::string(salt_bytes, 's'))))
        .has_value();
  };
  EXPECT_TRUE(accepts(ScramClient::kServerNonceBytesMax, kScramSaltBytesMax));
  EXPECT_FALSE(accepts(ScramClient::kServerNonceBytesMax + 1, 16));
  EXPECT_FALSE(accepts(40, kScramSaltBytesMax + 1));
}

TEST(ScramClient, AServerThatDoesNotKnowThePasswordIsFoundOut) {
  ScramClient client = client_with_nonce();
  ASSERT_TRUE(client.on_server_first("r=abcd,s=c2FsdA==,i=1"));
  client.client_final(keys_of("secret", "salt", 1));
  std::string lie = "v=" + base64_encode(std::string(32, 'x'));
  EXPECT_FALSE(client.on_server_final(lie));
  for (std::string message : {"", "v=", "v=AAAA", "x=1"})
    EXPECT_FALSE(client.on_server_final(message)) << message;
}

TEST(ScramClient, AnErrorOfTheServerIsToldInPrintableForm) {
  ScramClient client = client_with_nonce();
  Result<> result = client.on_server_final("e=invalid\x1b[31m-proof");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().detail.find('\x1b'), std::string::npos);
  EXPECT_NE(result.error().detail.find("-proof"), std::string::npos);
}

}  // namespace
}  // namespace trunkline::auth
