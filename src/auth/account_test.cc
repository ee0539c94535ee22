#include <gtest/gtest.h>

#include "auth/login_support.h"

// Logins of users that were looked up, by an answer that may be older than their passwords.
namespace trunkline::auth {
namespace {

using config::AuthMethod;
using namespace test;

Account account_of(std::string_view secret, bool may_be_outdated) {
  auto record = std::make_shared<const UserRecord>("bob", *parse_stored_secret(secret));
  return {.user = std::move(record),
          .traits = {.holds_plain = true, .holds_verifiers = true},
          .may_be_outdated = may_be_outdated};
}

Account nobody(bool may_be_outdated) {
  return {.user = nullptr,
          .traits = {.holds_plain = true, .holds_verifiers = true},
          .may_be_outdated = may_be_outdated};
}

struct LookUp {
  World world{config_of({})};
  int asked = 0;

  Outcome log_in(Account known, Account fresh, AuthMethod method, std::string_view password) {
    ClientAuth login({world.config, world.mock, world.cache}, {.method = method}, {.user = "bob"},
                     std::move(known));
    return run(login, with_password("bob", password), {}, [&] {
      ++asked;
      return std::move(fresh);
    });
  }
};

std::vector<std::string> all_forms(std::string_view password) {
  return {std::string(password), std::string(md5_secret(password, "bob").reveal()),
          verifier_of(password, "0123456789abcdef", 5000)};
}

TEST(Account, AUserThatWasLookedUpLogsInWithEachFormOfPassword) {
  for (const std::string& secret : all_forms("secret")) {
    for (AuthMethod method : {AuthMethod::password, AuthMethod::md5, AuthMethod::scram_sha_256}) {
      bool can = method != AuthMethod::scram_sha_256 || !secret.starts_with("md5");
      LookUp look_up;
      Outcome right = look_up.log_in(account_of(secret, true), nobody(false), method, "secret");
      EXPECT_EQ(right.succeeded.has_value(), can) << secret;
      Outcome wrong = look_up.log_in(account_of(secret, false), nobody(false), method, "other");
      EXPECT_EQ(wrong.client_side->sqlstate, sqlstate::kInvalidPassword);
      EXPECT_EQ(look_up.asked, can ? 0 : 1);
    }
  }
}

TEST(Account, APasswordThatIsWrongByAnOldAnswerIsCheckedByANewOne) {
  for (AuthMethod method : {AuthMethod::password, AuthMethod::md5}) {
    for (const std::string& fresh : all_forms("new")) {
      if (method == AuthMethod::md5 && fresh.starts_with("SCRAM")) continue;
      LookUp look_up;
      Outcome outcome =
          look_up.log_in(account_of("old", true), account_of(fresh, false), method, "new");
      EXPECT_TRUE(outcome.succeeded) << fresh;
      EXPECT_EQ(look_up.asked, 1);
    }
  }
  // The salt of a plain password stays the same.
  LookUp look_up;
  EXPECT_TRUE(look_up
                  .log_in(account_of("old", true), account_of("new", false),
                          AuthMethod::scram_sha_256, "new")
                  .succeeded);
}

// The client has made its proof with the salt of the verifier that was.
TEST(Account, AProofIsNotGoodForANewVerifier) {
  LookUp look_up;
  Outcome outcome = look_up.log_in(account_of(verifier_of("old", "0123456789abcdef", 4096), true),
                                   account_of(verifier_of("new", "fedcba9876543210", 4096), false),
                                   AuthMethod::scram_sha_256, "new");
  EXPECT_EQ(outcome.client_side->sqlstate, sqlstate::kInvalidPassword);
  EXPECT_EQ(look_up.asked, 1);
}

TEST(Account, ItIsAskedAgainOnceAndTheOldPasswordIsGoneThen) {
  for (AuthMethod method : {AuthMethod::password, AuthMethod::md5, AuthMethod::scram_sha_256}) {
    LookUp look_up;
    Outcome outcome =
        look_up.log_in(account_of("old", true), account_of("new", true), method, "wrong");
    EXPECT_EQ(outcome.client_side->sqlstate, sqlstate::kInvalidPassword);
    EXPECT_EQ(look_up.asked, 1);
    LookUp gone;
    outcome = gone.log_in(account_of("old", true), nobody(false), method, "wrong");
    EXPECT_EQ(outcome.client_side->sqlstate, sqlstate::kInvalidPassword);
  }
}

TEST(Account, NobodyLooksLikeAWrongPasswordHoweverOldTheAnswerIs) {
  for (bool outdated : {false, true}) {
    for (AuthMethod method : {AuthMethod::password, AuthMethod::md5, AuthMethod::scram_sha_256}) {
      std::string stored = verifier_of("secret", "0123456789abcdef", 4096);
      LookUp known;
      LookUp unknown;
      Outcome of_known =
          known.log_in(account_of(stored, outdated), account_of(stored, false), method, "wrong");
      Outcome of_unknown = unknown.log_in(nobody(outdated), nobody(false), method, "wrong");
      EXPECT_EQ(of_known.trace, of_unknown.trace);
      EXPECT_EQ(of_known.derivations, of_unknown.derivations);
      EXPECT_EQ(of_known.client_side->message, of_unknown.client_side->message);
      EXPECT_EQ(known.asked, unknown.asked);
    }
  }
}

TEST(Account, TheKeyOfTheClientIsForTheServerThatHasTheVerifier) {
  LookUp look_up;
  Outcome outcome =
      look_up.log_in(account_of(verifier_of("secret", "0123456789abcdef", 4096), true),
                     nobody(false), AuthMethod::scram_sha_256, "secret");
  ASSERT_TRUE(outcome.succeeded);
  ASSERT_TRUE(outcome.succeeded->credentials.scram);
  EXPECT_EQ(outcome.succeeded->credentials.scram->salt, "0123456789abcdef");
}

TEST(Account, AnAnswerNobodyAskedForEndsTheLogin) {
  World world(config_of({}));
  ClientAuth login({world.config, world.mock, world.cache}, {.method = AuthMethod::password},
                   {.user = "bob"}, nobody(true));
  login.start();
  auto step = login.on_account(nobody(false));
  EXPECT_EQ(std::get<Error>(step).sqlstate, sqlstate::kProtocolViolation);
}

}  // namespace
}  // namespace trunkline::auth
