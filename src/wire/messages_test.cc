#include "wire/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wire/builders.h"

namespace trunkline::wire {
namespace {

using ::testing::ElementsAre;
using namespace std::string_view_literals;

template <typename... Args>
std::string body_of(void (*append)(std::string&, Args...), std::type_identity_t<Args>... args) {
  std::string out;
  append(out, args...);
  return out.substr(kHeaderBytes);
}

TEST(ErrorFields, ReadsWhatIsThere) {
  ErrorFields error("SFEHLER\0VERROR\0C42601\0Msyntax error\0\0"sv);
  EXPECT_EQ(error.severity(), Severity::error) << "V is not translated";
  EXPECT_EQ(error.sqlstate(), "42601");
  EXPECT_EQ(error.message(), "syntax error");
  EXPECT_EQ(error.get('H'), std::nullopt);
}

TEST(ErrorFields, TakesTheSeverityOfOldServersFromS) {
  EXPECT_EQ(ErrorFields("SPANIC\0\0"sv).severity(), Severity::panic);
  EXPECT_EQ(ErrorFields("SFEHLER\0\0"sv).severity(), Severity::unknown);
}

TEST(ErrorFields, BearsAnythingMissingOrCutAtEveryPoint) {
  std::string_view whole = "SERROR\0VFATAL\0C57P01\0Mbye\0\0"sv;
  for (size_t size = 0; size <= whole.size(); ++size) {
    ErrorFields cut(whole.substr(0, size));
    EXPECT_EQ(cut.sqlstate(), size >= 21 ? "57P01" : "") << size;
    EXPECT_EQ(cut.severity(), size >= 14  ? Severity::fatal
                              : size >= 7 ? Severity::error
                                          : Severity::unknown);
  }
  EXPECT_EQ(ErrorFields("\0SERROR\0"sv).severity(), Severity::unknown) << "after the end";
}

TEST(Severity, KnowsEveryName) {
  for (auto [text, severity] :
       std::initializer_list<std::pair<const char*, Severity>>{{"ERROR", Severity::error},
                                                               {"FATAL", Severity::fatal},
                                                               {"PANIC", Severity::panic},
                                                               {"WARNING", Severity::warning},
                                                               {"NOTICE", Severity::notice},
                                                               {"INFO", Severity::info},
                                                               {"LOG", Severity::log},
                                                               {"DEBUG", Severity::debug},
                                                               {"DEBUG5", Severity::debug},
                                                               {"error", Severity::unknown},
                                                               {"DEBUGGER", Severity::unknown},
                                                               {"", Severity::unknown}}) {
    EXPECT_EQ(parse_severity(text), severity) << text;
  }
}

TEST(Authentication, ReadsRequests) {
  auto ok = parse_authentication(body_of(append_authentication_ok));
  ASSERT_TRUE(ok.has_value());
  EXPECT_EQ(ok->code, authentication::kOk);
  std::string md5 = body_of(append_authentication_md5, "salt");
  EXPECT_EQ(parse_authentication(md5)->data, "salt");
  EXPECT_FALSE(parse_authentication(std::string_view(md5).substr(0, 7)).has_value());
  EXPECT_FALSE(parse_authentication(md5 + "x").has_value());
  EXPECT_FALSE(parse_authentication("\0\0\0"sv).has_value());
}

TEST(Authentication, ReadsMechanisms) {
  const std::string_view names[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"};
  std::string body = body_of(append_authentication_sasl, names);
  auto mechanisms = parse_authentication(body)->mechanisms();
  ASSERT_TRUE(mechanisms.has_value());
  EXPECT_THAT(*mechanisms, ElementsAre("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"));
  body.pop_back();
  EXPECT_FALSE(parse_authentication(body)->mechanisms().has_value());
  for (size_t count : {kSaslMechanismsMax, kSaslMechanismsMax + 1}) {
    std::vector<std::string_view> many(count, "X");
    std::string list = body_of(append_authentication_sasl, many);
    EXPECT_EQ(parse_authentication(list)->mechanisms().has_value(), count <= kSaslMechanismsMax);
  }
}

TEST(Messages, ReadParameterStatus) {
  auto status = parse_parameter_status("TimeZone\0UTC\0"sv);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->name, "TimeZone");
  EXPECT_EQ(status->value, "UTC");
  for (auto bad : {""sv, "a"sv, "a\0"sv, "a\0b"sv, "a\0b\0c"sv}) {
    EXPECT_FALSE(parse_parameter_status(bad).has_value());
  }
}

TEST(Messages, ReadBackendKeyDataOfEveryLength) {
  for (size_t size : {3, 4, 32, 256, 257}) {
    std::string body = "\1\2\3\4" + std::string(size, 'k');
    auto key = parse_backend_key_data(body);
    EXPECT_EQ(key.has_value(), size >= 4 && size <= 256) << size;
    if (key) {
      EXPECT_EQ(key->process_id, 0x01020304u);
      EXPECT_EQ(key->key.size(), size);
    }
  }
  EXPECT_FALSE(parse_backend_key_data("abc").has_value());
}

TEST(Messages, ReadNegotiateProtocolVersion) {
  std::string body = body_of(append_negotiate_protocol_version, kProtocol32, {"_pq_.a", "_pq_.b"});
  auto offer = parse_negotiate_protocol_version(body);
  ASSERT_TRUE(offer.has_value());
  EXPECT_EQ(offer->newest, kProtocol32);
  EXPECT_THAT(offer->unknown_options, ElementsAre("_pq_.a", "_pq_.b"));
  for (size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(parse_negotiate_protocol_version(body.substr(0, size)).has_value());
  }
  EXPECT_FALSE(parse_negotiate_protocol_version("\0\3\0\2\xff\xff\xff\xff"sv).has_value());
}

TEST(Messages, ReadReadyForQuery) {
  EXPECT_EQ(parse_ready_for_query("I"), TransactionStatus::idle);
  EXPECT_EQ(parse_ready_for_query("T"), TransactionStatus::in_transaction);
  EXPECT_EQ(parse_ready_for_query("E"), TransactionStatus::failed);
  for (auto bad : {"", "X", "II", "i"}) EXPECT_EQ(parse_ready_for_query(bad), std::nullopt);
}

TEST(CommandKind, IsToldByTheTag) {
  using Kind = CommandKind;
  const std::pair<std::string_view, CommandKind> cases[] = {
      {"SELECT 5", Kind::select},
      {"INSERT 0 12", Kind::insert},
      {"UPDATE 3", Kind::update},
      {"DELETE 0", Kind::delete_},
      {"BEGIN", Kind::begin},
      {"START TRANSACTION", Kind::begin},
      {"COMMIT", Kind::commit},
      {"ROLLBACK", Kind::rollback},
      {"SAVEPOINT", Kind::savepoint},
      {"PREPARE TRANSACTION", Kind::prepare_transaction},
      {"ROLLBACK PREPARED", Kind::rollback_prepared},
      {"COMMIT PREPARED", Kind::other},
      {"MERGE 4", Kind::other},
      {"COPY 9", Kind::other},
      {"FETCH 2", Kind::other},
      {"CREATE TABLE", Kind::other},
      {"SELECT", Kind::select},  // servers before 9.0
      {"SELECTED 1", Kind::other},
      {"START", Kind::other},
      {"PREPARE", Kind::other},
      {" 1", Kind::other},
      {"", Kind::other},
  };
  for (auto [tag, kind] : cases) EXPECT_EQ(command_kind(tag), kind) << tag;
}

}  // namespace
}  // namespace trunkline::wire
