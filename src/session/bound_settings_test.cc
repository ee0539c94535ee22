#include "session/bound_settings.h"

#include <gtest/gtest.h>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace trunkline::session {
namespace {

std::string bound(std::initializer_list<std::string_view> values, uint16_t formats = 0) {
  std::string body;
  append_big_endian<uint16_t>(body, formats);
  for (uint16_t i = 0; i < formats; ++i) append_big_endian<uint16_t>(body, 1);
  append_big_endian<uint16_t>(body, static_cast<uint16_t>(values.size()));
  for (std::string_view each : values) {
    append_big_endian<uint32_t>(body, static_cast<uint32_t>(each.size()));
    body += each;
  }
  append_big_endian<uint16_t>(body, 1);
  append_big_endian<uint16_t>(body, 0);
  return body;
}

std::vector<std::string> names(const sql::TextFacts& facts, std::string_view values) {
  auto known = facts_with_bound_settings(facts, values);
  return known == nullptr ? std::vector<std::string>{"?"} : known->statements()[0].settings;
}

TEST(BoundSettings, AreThoseThatTheParametersName) {
  auto facts = sql::TextFacts::of("select set_config($2, $1, false), set_config($3, 'a', $4)", {});
  using Names = std::vector<std::string>;
  Names wanted = {"my.tenant", "work_mem"};
  for (int formats : {0, 1, 4}) {
    EXPECT_EQ(
        names(*facts, bound({"42", "My.Tenant", "work_mem", "t"}, static_cast<uint16_t>(formats))),
        wanted);
  }
  EXPECT_EQ(names(*facts, bound({"42", "my tenant", "work_mem", "t"})), Names{"?"});
  EXPECT_EQ(names(*facts, bound({"42", "", "work_mem", "t"})), Names{"?"});
  EXPECT_EQ(names(*facts, bound({"42", "my.tenant"})), Names{"?"});
}

TEST(BoundSettings, AreNoneInWhatIsCutOff) {
  auto facts = sql::TextFacts::of("select set_config($1, $2, false)", {});
  std::string whole = bound({"a.b", "c"}, 3);
  for (size_t size = 0; size < whole.size(); ++size) {
    facts_with_bound_settings(*facts, std::string(whole.substr(0, size)));
  }
  EXPECT_EQ(names(*facts, whole.substr(0, 8)), std::vector<std::string>{"?"});
  EXPECT_EQ(names(*facts, ""), std::vector<std::string>{"?"});
}

}  // namespace
}  // namespace trunkline::session
