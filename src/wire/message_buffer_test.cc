#include "wire/message_buffer.h"

#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

namespace trunkline::wire {
namespace {

using Kind = MessageBuffer::Next::Kind;

std::string message(char type, std::string_view body) {
  std::string bytes(1, type);
  append_big_endian<uint32_t>(bytes, static_cast<uint32_t>(body.size() + kLengthBytes));
  return bytes.append(body);
}

std::string header(char type, uint32_t length) {
  std::string bytes(1, type);
  append_big_endian<uint32_t>(bytes, length);
  return bytes;
}

// The messages that the pieces hold, taken out as soon as each is whole; the last entry says how it
// ended.
std::vector<std::string> read_all(MessageBuffer& buffer, const std::vector<std::string>& pieces) {
  std::vector<std::string> found;
  MessageBuffer::Next next;
  for (const std::string& piece : pieces) {
    buffer.append(piece);
    for (next = buffer.next(); next.kind == Kind::message; next = buffer.next()) {
      EXPECT_EQ(next.message[0], next.type);
      EXPECT_EQ(next.message.substr(kHeaderBytes), next.body);
      found.emplace_back(next.message);
      buffer.pop();
    }
  }
  return found;
}

const std::vector<std::string> kLogin = {message('R', std::string("\0\0\0\0", 4)),
                                         message('S', std::string("TimeZone\0UTC\0", 13)),
                                         message('N', ""), message('Z', "I")};
const std::string kLoginBytes = kLogin[0] + kLogin[1] + kLogin[2] + kLogin[3];

TEST(MessageBufferTest, MessagesComeOutAsTheyWentInWhole) {
  MessageBuffer buffer(kServerRules, 1024);
  EXPECT_EQ(read_all(buffer, {kLoginBytes}), kLogin);
  EXPECT_TRUE(buffer.empty());
}

TEST(MessageBufferTest, MessagesComeOutAsTheyWentInByteByByte) {
  MessageBuffer buffer(kServerRules, 1024);
  std::vector<std::string> bytes;
  for (char byte : kLoginBytes) bytes.emplace_back(1, byte);
  EXPECT_EQ(read_all(buffer, bytes), kLogin);
  EXPECT_TRUE(buffer.empty());
}

TEST(MessageBufferTest, MessagesComeOutAsTheyWentInSplitAtEveryPoint) {
  for (size_t split = 0; split <= kLoginBytes.size(); ++split) {
    MessageBuffer buffer(kServerRules, 1024);
    EXPECT_EQ(read_all(buffer, {kLoginBytes.substr(0, split), kLoginBytes.substr(split)}), kLogin)
        << split;
    EXPECT_TRUE(buffer.empty()) << split;
  }
}

TEST(MessageBufferTest, AMessageStaysUntilItIsPopped) {
  MessageBuffer buffer(kServerRules, 1024);
  buffer.append(kLogin[0]);
  EXPECT_EQ(buffer.next().message, kLogin[0]);
  EXPECT_EQ(buffer.next().message, kLogin[0]);
  EXPECT_FALSE(buffer.empty());
  buffer.pop();
  EXPECT_EQ(buffer.next().kind, Kind::need_more);
}

TEST(MessageBufferTest, TheLongestMessageAllowedIsHeldAndOneByteMoreIsNot) {
  constexpr uint32_t kMax = 100;
  MessageBuffer fits(kServerRules, kMax);
  fits.append(message('N', std::string(kMax - kLengthBytes, 'x')));
  EXPECT_EQ(fits.next().kind, Kind::message);
  MessageBuffer exceeds(kServerRules, kMax);
  exceeds.append(header('N', kMax + 1));
  EXPECT_EQ(exceeds.next().kind, Kind::too_large);
  EXPECT_EQ(exceeds.next().type, 'N');
}

TEST(MessageBufferTest, ATypesOwnBoundComesBeforeThatOfTheBuffer) {
  MessageBuffer fits(kClientLoginRules, SIZE_MAX);
  fits.append(header('p', kPasswordLengthMax));
  EXPECT_EQ(fits.next().kind, Kind::need_more);
  MessageBuffer exceeds(kClientLoginRules, 10);
  exceeds.append(header('p', kPasswordLengthMax + 1));
  EXPECT_EQ(exceeds.next().kind, Kind::violation);
  EXPECT_EQ(exceeds.next().violation, Violation::length);
}

TEST(MessageBufferTest, ALengthThatDoesNotCoverItselfIsAViolation) {
  MessageBuffer shortest(kServerRules, 1024);
  shortest.append(header('N', kLengthBytes));
  EXPECT_EQ(shortest.next().kind, Kind::message);
  EXPECT_EQ(shortest.next().body, "");
  for (uint32_t length : {0U, kLengthBytes - 1, 0x80000000U, 0xffffffffU}) {
    MessageBuffer buffer(kServerRules, SIZE_MAX);
    buffer.append(header('N', length));
    EXPECT_EQ(buffer.next().kind, Kind::violation) << length;
    EXPECT_EQ(buffer.next().violation, Violation::length) << length;
  }
}

TEST(MessageBufferTest, AnUnknownTypeIsRefusedByItsFirstByte) {
  MessageBuffer buffer(kClientLoginRules, 1024);
  buffer.append("Q");
  EXPECT_EQ(buffer.next().kind, Kind::violation);
  EXPECT_EQ(buffer.next().violation, Violation::unknown_type);
  EXPECT_EQ(buffer.next().type, 'Q');
}

TEST(MessageBufferTest, AViolationBehindAMessageIsSeenWhenThatIsTaken) {
  MessageBuffer buffer(kClientLoginRules, 1024);
  buffer.append(message('p', "secret") + "?");
  EXPECT_EQ(buffer.next().body, "secret");
  buffer.pop();
  EXPECT_EQ(buffer.next().kind, Kind::violation);
}

TEST(MessageBufferTest, TheRestIsWhatNobodyTook) {
  MessageBuffer buffer(kServerRules, 1024);
  EXPECT_EQ(buffer.take_rest(), "");
  buffer.append(kLogin[3] + kLogin[2] + "Z");
  buffer.pop();
  EXPECT_EQ(buffer.take_rest(), kLogin[2] + "Z");
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.take_rest(), "");
  buffer.append(kLogin[3]);
  EXPECT_EQ(buffer.next().message, kLogin[3]);
}

}  // namespace
}  // namespace trunkline::wire
