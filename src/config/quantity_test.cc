#include "config/quantity.h"

#include <gtest/gtest.h>

namespace trunkline::config {
namespace {

TEST(Quantity, reads_durations_in_every_unit) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("30s"), 30s);
  EXPECT_EQ(parse_duration("5m"), 5min);
  EXPECT_EQ(parse_duration("1h"), 1h);
  EXPECT_EQ(parse_duration("2d"), 48h);
}

TEST(Quantity, reads_sizes_in_every_unit) {
  EXPECT_EQ(parse_size("7B"), 7u);
  EXPECT_EQ(parse_size("64KiB"), 65536u);
  EXPECT_EQ(parse_size("1MiB"), 1u << 20);
  EXPECT_EQ(parse_size("3GiB"), 3ull << 30);
}

TEST(Quantity, says_what_is_wrong) {
  EXPECT_EQ(parse_duration("30").error(), QuantityError::no_unit);
  EXPECT_EQ(parse_duration("30us").error(), QuantityError::unknown_unit);
  EXPECT_EQ(parse_duration("30 s").error(), QuantityError::unknown_unit);
  EXPECT_EQ(parse_duration("1.5s").error(), QuantityError::unknown_unit);
  EXPECT_EQ(parse_duration("s").error(), QuantityError::not_a_number);
  EXPECT_EQ(parse_duration("-1s").error(), QuantityError::not_a_number);
  EXPECT_EQ(parse_size("64KB").error(), QuantityError::unknown_unit);
  EXPECT_EQ(parse_size("").error(), QuantityError::not_a_number);
}

TEST(Quantity, does_not_wrap_around) {
  EXPECT_TRUE(parse_duration("9223372036854ms").has_value());
  EXPECT_EQ(parse_duration("9223372036855ms").error(), QuantityError::too_large);
  EXPECT_EQ(parse_duration("106752d").error(), QuantityError::too_large);
  EXPECT_TRUE(parse_size("17179869183GiB").has_value());
  EXPECT_EQ(parse_size("17179869184GiB").error(), QuantityError::too_large);
  EXPECT_EQ(parse_integer("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_integer("18446744073709551616").error(), QuantityError::too_large);
}

TEST(Quantity, writes_the_largest_unit_that_divides) {
  EXPECT_EQ(format_duration(0ms), "0ms");
  EXPECT_EQ(format_duration(1500ms), "1500ms");
  EXPECT_EQ(format_duration(90s), "90s");
  EXPECT_EQ(format_duration(24h), "1d");
  EXPECT_EQ(format_size(0), "0B");
  EXPECT_EQ(format_size(1000), "1000B");
  EXPECT_EQ(format_size(1536 << 10), "1536KiB");
  EXPECT_EQ(format_size(1ull << 30), "1GiB");
}

}  // namespace
}  // namespace trunkline::config
