#include "auth/server_auth.h"

#include <gtest/gtest.h>

#include "auth/login_support.h"

namespace trunkline::auth {
namespace {

using config::AuthMethod;
using namespace test;

std::optional<Error> server_error(Credentials credentials, ServerChannel channel,
                                  std::vector<std::pair<int32_t, std::string>> requests) {
  KeyCache cache;
  ServerAuth machine(std::move(credentials), std::move(channel), cache);
  for (const auto& [code, payload] : requests) {
    auto step = machine.on_request(code, payload);
    if (auto* derive = std::get_if<ServerAuth::Derive>(&step)) {
      derive->work.run();
      step = machine.on_derived(std::move(derive->work));
    }
    if (auto* error = std::get_if<Error>(&step)) return *error;
  }
  return std::nullopt;
}

const std::string kMechanisms = scram_mechanisms(true);

TEST(ServerAuth, RequestsWithoutAUsableCredentialNameTheSetting) {
  for (auto [code, payload] :
       {std::pair<int32_t, std::string>{3, ""}, {5, "salt"}, {10, kMechanisms}}) {
    auto error = server_error({.user = "bob"}, {}, {{code, payload}});
    ASSERT_TRUE(error) << code;
    EXPECT_EQ(error->side, Side::server);
    EXPECT_EQ(error->reason, Reason::server_auth_failed);
    EXPECT_NE(error->message.find("user \"bob\""), std::string::npos);
    EXPECT_NE(error->hint.find("\"login\""), std::string::npos);
    EXPECT_FALSE(server_error(with_password("bob", "secret"), {}, {{code, payload}})) << code;
  }
}

TEST(ServerAuth, AServerThatRequiresNothingIsFine) {
  EXPECT_FALSE(server_error({.user = "bob"}, {}, {{0, ""}}));
}

TEST(ServerAuth, RequestsOutOfOrderAndUnknownOnesFail) {
  const std::vector<std::vector<std::pair<int32_t, std::string>>> bad = {
      {{11, "r=x"}},
      {{12, "v=x"}},
      {{3, ""}, {3, ""}},
      {{3, ""}, {5, "salt"}},
      {{5, "salt"}, {10, kMechanisms}},
      {{10, kMechanisms}, {0, ""}},
      {{10, kMechanisms}, {10, kMechanisms}},
      {{10, kMechanisms}, {3, ""}},
      {{10, kMechanisms}, {12, "v=x"}},
      {{0, ""}, {0, ""}},
      {{2, ""}},
      {{7, ""}},
      {{9, ""}},
      {{6, ""}},
      {{13, ""}},
      {{-1, ""}},
      {{5, "sal"}},
      {{5, "saltx"}},
      {{10, ""}},
      {{10, "SCRAM-SHA-256"}},
      {{10, std::string("SCRAM-SHA-256\0", 14)}},
      {{10, std::string("OAUTHBEARER\0\0", 13)}},
      {{10, std::string("\0", 1)}},
  };
  for (const auto& requests : bad)
    EXPECT_TRUE(server_error(with_password("bob", "secret"), {}, requests))
        << requests.back().first;
}

TEST(ServerAuth, RequiredChannelBindingRefusesEveryWayAround) {
  for (auto [code, payload] : std::vector<std::pair<int32_t, std::string>>{
           {0, ""}, {3, ""}, {5, "salt"}, {10, scram_mechanisms(false)}}) {
    EXPECT_TRUE(server_error(with_password("b", "secret"), {kHash, true}, {{code, payload}}));
    EXPECT_FALSE(server_error(with_password("b", "secret"), {kHash, false}, {{code, payload}}));
  }
}

TEST(ServerAuth, KeysAreCachedOnlyWhenTheServerHasProvenItself) {
  World server(config_of({{"bob", verifier_of("secret", "salt", 2)}}));
  KeyCache cache;
  for (int attempt = 0; attempt < 3; ++attempt) {
    ClientAuth peer = server.login("bob", AuthMethod::scram_sha_256);
    ServerAuth machine(with_password("bob", "secret"), {}, cache);
    auto offer = std::get<ClientAuth::Send>(peer.start());
    auto first = machine.on_request(10, offer.payload);
    auto challenge = peer.on_message(std::get<ServerAuth::Send>(first).payload.reveal());
    auto step = machine.on_request(11, std::get<ClientAuth::Send>(challenge).payload);
    auto* derive = std::get_if<ServerAuth::Derive>(&step);
    EXPECT_EQ(derive != nullptr, attempt < 2);
    if (derive != nullptr) {
      derive->work.run();
      step = machine.on_derived(std::move(derive->work));
    }
    auto done = peer.on_message(std::get<ServerAuth::Send>(step).payload.reveal());
    std::string final = std::get<ClientAuth::Succeeded>(done).sasl_final;
    if (attempt == 0) final[5] = final[5] == 'A' ? 'B' : 'A';
    bool proven = std::holds_alternative<ServerAuth::Wait>(machine.on_request(12, final));
    EXPECT_EQ(proven, attempt > 0);
    EXPECT_EQ(cache.size(), proven ? 1U : 0U);
  }
}

}  // namespace
}  // namespace trunkline::auth
