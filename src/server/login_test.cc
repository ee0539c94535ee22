#include "server/login.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "auth/login_support.h"
#include "wire/builders.h"
#include "wire/message_buffer.h"
#include "wire/startup.h"

namespace trunkline::server {
namespace {

using auth::Credentials;
using auth::test::with_password;

std::string msg(char type, std::string_view body) {
  std::string bytes;
  wire::MessageBuilder(bytes, type).bytes(body);
  return bytes;
}

// A login that is told one message after the other, as they come from a server.
class Conversation {
 public:
  explicit Conversation(Credentials credentials = with_password("ann", "secret"),
                        auth::ServerChannel channel = {}, Login::Parameters parameters = {})
      : login(std::move(credentials), std::move(channel), cache_, std::move(parameters)) {
    step = login.start();
  }

  Conversation& told(const std::string& message) {
    step =
        login.on_message(message[0], std::string_view(message).substr(wire::kHeaderBytes), message);
    if (auto* derive = std::get_if<Login::Derive>(&step)) {
      derive->work.run();
      step = login.on_derived(std::move(derive->work));
    }
    return *this;
  }
  std::string sent() const {
    const auto* send = std::get_if<Login::Send>(&step);
    return send == nullptr ? "" : std::string(send->bytes.reveal());
  }
  // The body of the message that was sent.
  std::string payload() const {
    std::string bytes = sent();
    return bytes.size() < wire::kHeaderBytes ? bytes : bytes.substr(wire::kHeaderBytes);
  }
  bool waits() const { return std::holds_alternative<Login::Wait>(step); }
  bool ready() const { return std::holds_alternative<Login::Ready>(step); }
  const Refusal* refusal() const { return std::get_if<Refusal>(&step); }

 private:
  auth::KeyCache cache_;

 public:
  Login login;
  Login::Step step;
};

std::string ok() {
  std::string bytes;
  wire::append_authentication_ok(bytes);
  return bytes;
}
std::string ready_for_query() {
  return msg('Z', "I");
}
std::string parameter(std::string_view name, std::string_view value) {
  std::string bytes;
  wire::append_parameter_status(bytes, name, value);
  return bytes;
}
std::string error_message(std::string_view sqlstate, std::string_view text) {
  return msg('E', "SFATAL" + std::string(1, '\0') + "VFATAL" + std::string(1, '\0') + "C" +
                      std::string(sqlstate) + std::string(1, '\0') + "M" + std::string(text) +
                      std::string(2, '\0'));
}
void expect_protocol_error(const Conversation& conversation, const std::string& when) {
  ASSERT_NE(conversation.refusal(), nullptr) << when;
  const Error& error = conversation.refusal()->error;
  EXPECT_EQ(error.side, Side::server) << when;
  EXPECT_EQ(error.retry, Retry::never) << when;
  EXPECT_EQ(conversation.refusal()->response, "") << when;
}

TEST(LoginTest, BeginsWithTheUserAndItsParameters) {
  Conversation conversation(with_password("ann", ""), {},
                            {{"database", "shop"}, {"application_name", ""}});
  std::string packet = conversation.sent();
  ASSERT_GT(packet.size(), 8);
  EXPECT_EQ(load_big_endian<uint32_t>(packet.data()), packet.size());
  auto parsed = wire::parse_startup(std::string_view(packet).substr(wire::kLengthBytes));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->major, 3);
  EXPECT_EQ(parsed->minor, 0);
  EXPECT_EQ(parsed->user, "ann");
  EXPECT_EQ(parsed->database, "shop");
}

TEST(LoginTest, IsLetInWithTrust) {
  Conversation conversation;
  EXPECT_TRUE(conversation.told(ok()).waits());
  EXPECT_TRUE(conversation.login.authenticated());
  EXPECT_TRUE(conversation.told(parameter("TimeZone", "UTC")).waits());
  EXPECT_TRUE(conversation
                  .told(msg('K', std::string("\0\0\0\x05"
                                             "key!",
                                             8)))
                  .waits());
  EXPECT_TRUE(conversation.told(ready_for_query()).ready());
  EXPECT_EQ(conversation.login.take_greeting(), parameter("TimeZone", "UTC"));
  CancelKey key = conversation.login.take_cancel_key();
  EXPECT_EQ(key.process_id, 5);
  EXPECT_EQ(key.secret, "key!");
}

TEST(LoginTest, TellsThePasswordWhenAsked) {
  Conversation conversation;
  std::string request;
  wire::append_authentication_cleartext(request);
  conversation.told(request);
  EXPECT_EQ(conversation.sent(), msg('p', std::string("secret\0", 7)));
  EXPECT_FALSE(conversation.login.authenticated());
  EXPECT_TRUE(conversation.told(ok()).told(ready_for_query()).ready());
}

TEST(LoginTest, TellsTheMd5OfThePasswordWhenAsked) {
  Conversation conversation;
  std::string request;
  wire::append_authentication_md5(request, "salt");
  conversation.told(request);
  EXPECT_TRUE(conversation.payload().starts_with("md5"));
  EXPECT_EQ(conversation.payload().size(), 3 + 32 + 1);
  EXPECT_TRUE(conversation.told(ok()).told(ready_for_query()).ready());
}

// Runs SCRAM against the machine that authenticates our own clients.
void log_in_with_scram(Conversation& conversation, auth::ClientAuth& server) {
  auth::ClientAuth::Step step = server.start();
  while (const auto* send = std::get_if<auth::ClientAuth::Send>(&step)) {
    std::string request;
    wire::MessageBuilder(request, 'R')
        .int32(static_cast<uint32_t>(send->code))
        .bytes(send->payload);
    conversation.told(request);
    if (conversation.sent().empty()) return;
    step = server.on_message(conversation.payload());
    if (auto* derive = std::get_if<auth::ClientAuth::Derive>(&step)) {
      derive->work.run();
      step = server.on_derived(std::move(derive->work));
    }
  }
  if (auto* error = std::get_if<Error>(&step)) {
    conversation.told(error_message("28P01", error->message));
    return;
  }
  std::string last;
  wire::append_authentication_sasl_final(last,
                                         std::get<auth::ClientAuth::Succeeded>(step).sasl_final);
  conversation.told(last);
  if (conversation.waits()) conversation.told(ok());
}

TEST(LoginTest, ProvesItselfWithScram) {
  auth::test::World world(auth::test::all_kinds());
  Conversation conversation(with_password("scram", "secret"));
  auth::ClientAuth server = world.login("scram", config::AuthMethod::scram_sha_256);
  log_in_with_scram(conversation, server);
  EXPECT_TRUE(conversation.login.authenticated());
  EXPECT_TRUE(conversation.told(ready_for_query()).ready());
}

TEST(LoginTest, PassesOnWhyAWrongPasswordIsRefused) {
  auth::test::World world(auth::test::all_kinds());
  Conversation conversation(with_password("scram", "wrong"));
  auth::ClientAuth server = world.login("scram", config::AuthMethod::scram_sha_256);
  log_in_with_scram(conversation, server);
  ASSERT_NE(conversation.refusal(), nullptr);
  EXPECT_EQ(conversation.refusal()->error.reason, Reason::server_auth_failed);
  EXPECT_EQ(conversation.refusal()->error.detail, "28P01");
  EXPECT_FALSE(conversation.login.authenticated());
}

TEST(LoginTest, AServerThatProvesNothingIsRefused) {
  auth::test::World world(auth::test::all_kinds());
  Conversation conversation(with_password("scram", "secret"));
  auth::ClientAuth server = world.login("scram", config::AuthMethod::scram_sha_256);
  std::string request;
  wire::MessageBuilder(request, 'R')
      .int32(10)
      .bytes(std::get<auth::ClientAuth::Send>(server.start()).payload);
  EXPECT_NE(conversation.told(request).sent(), "");
  conversation.told(ok());
  ASSERT_NE(conversation.refusal(), nullptr);
  EXPECT_FALSE(conversation.login.authenticated());
}

TEST(LoginTest, AnErrorIsOneOfTheLoginOnlyBeforeAuthenticationOk) {
  std::string refusal = error_message("3D000", "database \"x\" does not exist");
  Conversation before;
  before.told(refusal);
  ASSERT_NE(before.refusal(), nullptr);
  EXPECT_EQ(before.refusal()->error.reason, Reason::server_auth_failed);
  EXPECT_EQ(before.refusal()->response, refusal) << "the client sees the server's own words";
  EXPECT_EQ(before.refusal()->error.message, "database \"x\" does not exist");
  EXPECT_EQ(before.refusal()->error.detail, "3D000");
  Conversation after;
  after.told(ok()).told(refusal);
  ASSERT_NE(after.refusal(), nullptr);
  EXPECT_EQ(after.refusal()->error.reason, Reason::server_error);
  EXPECT_EQ(after.refusal()->response, refusal);
}

TEST(LoginTest, NoticesAndParametersAreKeptInTheirOrder) {
  std::string notice = msg('N', std::string("SNOTICE\0Mhello\0\0", 16));
  Conversation conversation;
  conversation.told(notice)
      .told(ok())
      .told(parameter("a", "1"))
      .told(notice)
      .told(parameter("b", "2"));
  EXPECT_TRUE(conversation.told(ready_for_query()).ready());
  EXPECT_EQ(conversation.login.take_greeting(),
            notice + parameter("a", "1") + notice + parameter("b", "2"));
}

TEST(LoginTest, TheGreetingIsBounded) {
  std::string first = parameter("a", "1");
  size_t room = Login::kGreetingBytesMax - ok().size() - first.size() - wire::kHeaderBytes;
  Conversation fits;
  fits.told(ok()).told(first);
  EXPECT_TRUE(fits.told(msg('N', std::string(room, 'n'))).waits());
  EXPECT_TRUE(fits.told(ready_for_query()).ready());
  Conversation exceeds;
  exceeds.told(ok()).told(first).told(msg('N', std::string(room + 1, 'n')));
  expect_protocol_error(exceeds, "one byte more");
}

// Each of them is answered with nothing, and a server that sends them faster than they are read
// would never let the worker go.
TEST(LoginTest, NoMessageCanBeRepeatedForEver) {
  const std::string repeated[] = {msg('v', std::string(8, '\0')), msg('K', "\1\1\1\1key!"),
                                  parameter("a", "1")};
  for (const std::string& message : repeated) {
    Conversation conversation;
    conversation.told(ok());
    size_t told = 0;
    while (conversation.waits() && told <= Login::kGreetingBytesMax) {
      conversation.told(message);
      told += message.size();
    }
    expect_protocol_error(conversation, message.substr(0, 1));
  }
}

TEST(LoginTest, ANegotiationOfTheVersionChangesNothing) {
  Conversation conversation;
  std::string answer;
  wire::append_negotiate_protocol_version(answer, wire::kProtocol30, {});
  EXPECT_TRUE(conversation.told(answer).waits());
  EXPECT_TRUE(conversation.told(ok()).told(ready_for_query()).ready());
}

TEST(LoginTest, CancelKeysAreHeldToTheirBounds) {
  for (size_t bytes : {4, 8, 32, 256}) {
    Conversation conversation;
    conversation.told(ok());
    EXPECT_TRUE(conversation.told(msg('K', std::string(4 + bytes, 'k'))).waits()) << bytes;
    EXPECT_EQ(conversation.login.take_cancel_key().secret, std::string(bytes, 'k'));
  }
  for (size_t bytes : {0, 3, 7, 4 + 257}) {
    Conversation conversation;
    conversation.told(ok()).told(msg('K', std::string(bytes, 'k')));
    expect_protocol_error(conversation, std::to_string(bytes));
  }
}

TEST(LoginTest, WhatCannotComeNowIsRefused) {
  const std::vector<std::string> never = {msg('T', "xx"), msg('D', ""), msg('C', "SELECT"),
                                          msg('1', ""),   msg('d', ""), msg('A', "x")};
  for (const std::string& message : never) {
    Conversation before;
    expect_protocol_error(before.told(message), "before: " + message.substr(0, 1));
    Conversation after;
    expect_protocol_error(after.told(ok()).told(message), "after: " + message.substr(0, 1));
  }
  Conversation early;
  expect_protocol_error(early.told(ready_for_query()), "ReadyForQuery before AuthenticationOk");
  Conversation twice;
  expect_protocol_error(twice.told(ok()).told(ok()), "AuthenticationOk twice");
}

TEST(LoginTest, MalformedMessagesAreRefused) {
  for (const std::string& message :
       {msg('R', ""), msg('R', std::string("\0\0\0", 3)), msg('R', std::string("\0\0\0\5abc", 7)),
        msg('R', std::string("\0\0\0\x0aSCRAM-SHA-256", 17)),
        msg('R', std::string("\0\0\0\x0b", 4)), msg('R', std::string("\0\0\0\x0c", 4)),
        msg('R', std::string("\0\0\0\x63", 4)), msg('R', "\xff\xff\xff\xff"), msg('E', ""),
        msg('E', "garbage")}) {
    Conversation conversation;
    conversation.told(message);
    ASSERT_NE(conversation.refusal(), nullptr) << message.size();
    EXPECT_EQ(conversation.refusal()->response, "");
    EXPECT_EQ(conversation.refusal()->error.side, Side::server);
  }
  for (const std::string& body : {"", "II", "x"}) {
    Conversation conversation;
    expect_protocol_error(conversation.told(ok()).told(msg('Z', body)), "ReadyForQuery " + body);
  }
}

TEST(LoginTest, WhatAServerSaysIsPrintableInOurWords) {
  Conversation conversation;
  conversation.told(error_message("28P01\n", "line\nbreak\x1b[2J" + std::string(10'000, 'x')));
  ASSERT_NE(conversation.refusal(), nullptr);
  const Error& error = conversation.refusal()->error;
  EXPECT_FALSE(error.message.contains('\n'));
  EXPECT_FALSE(error.message.contains('\x1b'));
  EXPECT_LT(error.message.size(), 2000);
  EXPECT_LE(error.detail.size(), 20);
}

TEST(LoginTest, TalliesEveryMessageOfTheServer) {
  wire::MessageTally tally;
  auth::KeyCache cache;
  Login login(with_password("ann", ""), {}, cache, {}, &tally);
  auto told = [&](const std::string& message) {
    return login.on_message(message[0], std::string_view(message).substr(wire::kHeaderBytes),
                            message);
  };
  told(ok());
  told(msg('N', "VWARNING" + std::string(1, '\0') + "Mw" + std::string(2, '\0')));
  told(parameter("TimeZone", "UTC"));
  told(error_message("3D000", "no such database"));
  EXPECT_EQ(tally.messages, 4U);
  EXPECT_EQ(tally.notices[static_cast<size_t>(wire::Severity::warning)], 1U);
  EXPECT_EQ(tally.errors[static_cast<size_t>(wire::Severity::fatal)], 1U);
}

}  // namespace
}  // namespace trunkline::server
