#include "wire/message_tally.h"

#include <gtest/gtest.h>
#include <numeric>
#include <string>

namespace trunkline::wire {
namespace {

std::string fields(std::string_view severity) {
  std::string body = "V";
  body.append(severity).push_back('\0');
  body.append("Mwords").append(2, '\0');
  return body;
}

size_t at(Severity severity) {
  return static_cast<size_t>(severity);
}

TEST(MessageTally, CountsErrorsAndNoticesBySeverityAndEverythingAsAMessage) {
  MessageTally tally;
  tally.add('R', std::string_view("\0\0\0\0", 4));
  tally.add('E', fields("FATAL"));
  tally.add('E', fields("FATAL"));
  tally.add('E', fields("ERROR"));
  tally.add('N', fields("WARNING"));
  tally.add('N', fields("DEBUG1"));
  tally.add('Z', "I");
  EXPECT_EQ(tally.messages, 7U);
  EXPECT_EQ(tally.errors[at(Severity::fatal)], 2U);
  EXPECT_EQ(tally.errors[at(Severity::error)], 1U);
  EXPECT_EQ(std::accumulate(tally.errors.begin(), tally.errors.end(), 0U), 3U);
  EXPECT_EQ(tally.notices[at(Severity::warning)], 1U);
  EXPECT_EQ(tally.notices[at(Severity::debug)], 1U);
  EXPECT_EQ(std::accumulate(tally.notices.begin(), tally.notices.end(), 0U), 2U);
}

TEST(MessageTally, CountsWhatHasNoSeverityAsUnknown) {
  MessageTally tally;
  tally.add('E', "");
  tally.add('E', fields("SCHWERWIEGEND"));
  tally.add('N', "Vcut off");
  EXPECT_EQ(tally.errors[at(Severity::unknown)], 2U);
  EXPECT_EQ(tally.notices[at(Severity::unknown)], 1U);
}

}  // namespace
}  // namespace trunkline::wire
