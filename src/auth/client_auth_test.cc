#include "auth/client_auth.h"

#include <gtest/gtest.h>

#include "auth/login_support.h"
#include "base/bytes.h"

namespace trunkline::auth {
namespace {

using config::AuthMethod;
using namespace test;

std::string error_of(ClientAuth::Step step) {
  auto* error = std::get_if<Error>(&step);
  return error == nullptr ? "no error" : std::string(error->sqlstate) + " " + error->message;
}

TEST(ClientAuth, MalformedPasswordMessagesAreRefusedInPostgresWords) {
  World world(all_kinds());
  for (AuthMethod method : {AuthMethod::password, AuthMethod::md5}) {
    auto answer = [&](std::string_view payload) {
      ClientAuth login = world.login("plain", method);
      login.start();
      return error_of(login.on_message(payload));
    };
    EXPECT_EQ(answer(""), "08P01 invalid password packet size");
    EXPECT_EQ(answer("secret"), "08P01 invalid password packet size");
    EXPECT_EQ(answer(std::string_view("se\0cret\0", 8)), "08P01 invalid password packet size");
    EXPECT_EQ(answer(std::string_view("\0", 1)), "28P01 empty password returned by client");
    std::string longest(ClientAuth::kPasswordPayloadBytesMax, 'x');
    EXPECT_EQ(answer(longest + '\0'), "08P01 invalid message length");
    longest.back() = '\0';
    EXPECT_NE(answer(longest), "08P01 invalid message length");
  }
}

std::string sasl_initial(std::string_view mechanism, int32_t size, std::string_view message) {
  std::string body(mechanism);
  body.push_back('\0');
  append_big_endian(body, size);
  return body.append(message);
}

TEST(ClientAuth, MalformedSaslMessagesAreRefusedInPostgresWords) {
  World world(all_kinds());
  auto answer = [&](std::string_view payload) {
    ClientAuth login = world.login("scram", AuthMethod::scram_sha_256);
    login.start();
    return error_of(login.on_message(payload));
  };
  EXPECT_EQ(answer(""), "08P01 invalid string in message");
  EXPECT_EQ(answer("SCRAM-SHA-256"), "08P01 invalid string in message");
  EXPECT_EQ(answer(std::string_view("SCRAM-SHA-256\0\0\0", 16)),
            "08P01 insufficient data left in message");
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", 10, "n,,n=,r=x")),
            "08P01 insufficient data left in message");
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", -2, "n,,n=,r=x")),
            "08P01 insufficient data left in message");
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", 8, "n,,n=,r=x")), "08P01 invalid message format");
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", -1, "x")), "08P01 invalid message format");
  EXPECT_EQ(answer(sasl_initial("PLAIN", 9, "n,,n=,r=x")),
            "08P01 client selected an invalid SASL authentication mechanism");
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", 9, "n,,n=,r=x")), "no error");

  std::string first = "n,,n=,r=";
  first.resize(ClientAuth::kSaslPayloadBytesMax - 18, 'x');
  auto size = static_cast<int32_t>(first.size());
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", size, first)), "no error");
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", size + 1, first + "x")),
            "28P01 password authentication failed for user \"scram\"");
}

TEST(ClientAuth, AMechanismWithoutAFirstMessageIsAskedForIt) {
  World world(all_kinds());
  ClientAuth login = world.login("scram", AuthMethod::scram_sha_256);
  login.start();
  auto step = login.on_message(sasl_initial("SCRAM-SHA-256", -1, ""));
  EXPECT_EQ(std::get<ClientAuth::Send>(step).code, AuthCode::sasl_continue);
  EXPECT_EQ(std::get<ClientAuth::Send>(step).payload, "");
  step = login.on_message("n,,n=,r=x");
  EXPECT_TRUE(std::get<ClientAuth::Send>(step).payload.starts_with("r=x"));
}

TEST(ClientAuth, AMessageOfAnotherTypeEndsTheLoginInPostgresWords) {
  World world(all_kinds());
  for (auto [method, text] :
       {std::pair{AuthMethod::password, "expected password response, got message type 81"},
        {AuthMethod::scram_sha_256, "expected SASL response, got message type 81"}}) {
    ClientAuth login = world.login("scram", method);
    login.start();
    EXPECT_EQ(login.unexpected_message('Q').message, text);
    EXPECT_EQ(login.unexpected_message('Q').sqlstate, sqlstate::kProtocolViolation);
  }
}

TEST(ClientAuth, NothingWorksAfterTheEnd) {
  World world(all_kinds());
  ClientAuth login = world.login("plain", AuthMethod::password);
  login.start();
  EXPECT_EQ(error_of(login.on_message("bad")), "08P01 invalid password packet size");
  EXPECT_EQ(error_of(login.on_message(std::string_view("secret\0", 7))),
            "08P01 unexpected password message");
  EXPECT_EQ(error_of(login.on_derived({})), "08P01 unexpected key derivation");
}

}  // namespace
}  // namespace trunkline::auth
