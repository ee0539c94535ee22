#include "wire/builders.h"

#include <gtest/gtest.h>

namespace trunkline::wire {
namespace {

template <typename... Args>
std::string built(void (*append)(std::string&, Args...), std::type_identity_t<Args>... args) {
  std::string out = "before";
  append(out, args...);
  return out.substr(6);
}

std::string bytes(std::string_view text) {
  return std::string(text);
}
#define BYTES(literal) bytes({literal, sizeof(literal) - 1})

TEST(Builders, BuildAuthenticationRequests) {
  EXPECT_EQ(built(append_authentication_ok), BYTES("R\0\0\0\x08\0\0\0\0"));
  EXPECT_EQ(built(append_authentication_cleartext), BYTES("R\0\0\0\x08\0\0\0\x03"));
  EXPECT_EQ(built(append_authentication_md5, "salt"), BYTES("R\0\0\0\x0c\0\0\0\x05salt"));
  const std::string_view mechanisms[] = {"A", "B"};
  EXPECT_EQ(built(append_authentication_sasl, mechanisms), BYTES("R\0\0\0\x0d\0\0\0\x0a"
                                                                 "A\0B\0\0"));
  EXPECT_EQ(built(append_authentication_sasl_continue, "r=1"), BYTES("R\0\0\0\x0b\0\0\0\x0br=1"));
  EXPECT_EQ(built(append_authentication_sasl_final, "v=1"), BYTES("R\0\0\0\x0b\0\0\0\x0cv=1"));
}

TEST(Builders, BuildSessionMessages) {
  EXPECT_EQ(built(append_parameter_status, "a", "b"), BYTES("S\0\0\0\x08"
                                                            "a\0b\0"));
  EXPECT_EQ(built(append_backend_key_data, 7u, "keys"), BYTES("K\0\0\0\x0c\0\0\0\x07keys"));
  std::string key(kCancelKeyBytesMax, 'k');
  EXPECT_EQ(built(append_backend_key_data, 7u, key), BYTES("K\0\0\x01\x08\0\0\0\x07") + key);
  EXPECT_EQ(built(append_ready_for_query, TransactionStatus::failed), BYTES("Z\0\0\0\x05"
                                                                            "E"));
  EXPECT_EQ(built(append_negotiate_protocol_version, kProtocol32,
                  std::vector<std::string>{"_pq_.x", "_pq_.y"}),
            BYTES("v\0\0\0\x1a\0\3\0\2\0\0\0\2_pq_.x\0_pq_.y\0"));
}

TEST(Builders, BuildErrorsAndNotices) {
  Error error{.sqlstate = sqlstate::kProtocolViolation, .message = "m", .detail = "d", .hint = "h"};
  EXPECT_EQ(built(append_fatal, error), BYTES("E\0\0\0\x23SFATAL\0VFATAL\0C08P01\0Mm\0Dd\0Hh\0\0"));
  error.detail.clear();
  error.hint.clear();
  EXPECT_EQ(built(append_error, error), BYTES("E\0\0\0\x1dSERROR\0VERROR\0C08P01\0Mm\0\0"));
  EXPECT_EQ(built(append_notice, "LOG", "00000", "hi"),
            BYTES("N\0\0\0\x1aSLOG\0VLOG\0C00000\0Mhi\0\0"));
}

TEST(Builders, CutTextAtAZeroByte) {
  EXPECT_EQ(built(append_query, std::string_view("ab\0cd", 5)), BYTES("Q\0\0\0\x07"
                                                                      "ab\0"));
}

TEST(Builders, BuildWhatGoesToAServer) {
  EXPECT_EQ(built(append_password, "pw"), BYTES("p\0\0\0\x07pw\0"));
  EXPECT_EQ(built(append_sasl_initial_response, "M", "data"), BYTES("p\0\0\0\x0eM\0\0\0\0\4"
                                                                    "data"));
  EXPECT_EQ(built(append_sasl_response, "data"), BYTES("p\0\0\0\x08"
                                                       "data"));
  EXPECT_EQ(built(append_sync), BYTES("S\0\0\0\4"));
  EXPECT_EQ(built(append_terminate), BYTES("X\0\0\0\4"));
  EXPECT_EQ(built(append_ssl_request), BYTES("\0\0\0\x08\x04\xd2\x16\x2f"));
  EXPECT_EQ(built(append_cancel_request, 7u, "keys"),
            BYTES("\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07keys"));
}

}  // namespace
}  // namespace trunkline::wire
