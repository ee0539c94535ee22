#include "wire/cancel_key.h"

#include <gtest/gtest.h>

namespace trunkline::wire {
namespace {

constexpr std::array<char, 8> kRandom = {'\xa0', '\xa1', '\xa2', '\xa3',
                                         '\xa4', '\xa5', '\xa6', '\xa4'};

TEST(ShortCancelKey, IsLaidOutAsPgBouncersPeersDo) {
  ShortCancelKey key = ShortCancelKey::make(kRandom, 0x0102);
  EXPECT_EQ(key.process_id(), 0x200201a3u);  // positive when signed
  EXPECT_EQ(key.secret(), "\xa4\xa5\xa6\xa7");
  EXPECT_EQ(key.node(), 0x0102);
  EXPECT_EQ(key.hops(), ShortCancelKey::kHopsMax);
  EXPECT_EQ(key.hash_key(), 0x200201a3a4a5a6a7u);
  EXPECT_EQ(ShortCancelKey::make(kRandom, ShortCancelKey::kNodeMax).node(),
            ShortCancelKey::kNodeMax);
}

TEST(ShortCancelKey, ComesBackInACancelRequest) {
  ShortCancelKey key = ShortCancelKey::make(kRandom, 9);
  CancelRequest request{.process_id = key.process_id(), .key = key.secret()};
  EXPECT_EQ(ShortCancelKey::from(request), key);
  for (std::string_view other : {"abc", "abcde", ""}) {
    EXPECT_EQ(ShortCancelKey::from({.process_id = 1, .key = other}), std::nullopt);
  }
}

TEST(ShortCancelKey, CountsHopsWithoutLosingItsSession) {
  ShortCancelKey key = ShortCancelKey::make(kRandom, 9);
  for (uint8_t hops = 0; hops <= ShortCancelKey::kHopsMax; ++hops) {
    ShortCancelKey passed_on = key.with_hops(hops);
    EXPECT_EQ(passed_on.hops(), hops);
    EXPECT_EQ(passed_on.node(), 9);
    EXPECT_EQ(passed_on.canonical(), key);
    EXPECT_EQ(passed_on == key, hops == ShortCancelKey::kHopsMax);
  }
}

TEST(LongCancelKey, ComesBackInACancelRequest) {
  Secret secret("mac key");
  LongCancelKey key{.node = 3, .session = 0x01020304, .epoch = 0x1122334455667788};
  std::string bytes = key.encode(77, secret);
  ASSERT_EQ(bytes.size(), LongCancelKey::kBytes);
  EXPECT_EQ(bytes.substr(0, 16),
            std::string("\0\1\0\3\1\2\3\4\x11\x22\x33\x44\x55\x66\x77\x88", 16));
  EXPECT_EQ(LongCancelKey::decode({.process_id = 77, .key = bytes}, secret), key);
}

TEST(LongCancelKey, IsRefusedWhenAnythingDiffers) {
  Secret secret("mac key");
  std::string bytes = LongCancelKey{.node = 3, .session = 4, .epoch = 5}.encode(77, secret);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string forged = bytes;
    forged[bit / 8] = static_cast<char>(forged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(LongCancelKey::decode({.process_id = 77, .key = forged}, secret).has_value());
  }
  EXPECT_FALSE(LongCancelKey::decode({.process_id = 78, .key = bytes}, secret).has_value());
  EXPECT_FALSE(LongCancelKey::decode({.process_id = 77, .key = bytes}, Secret("x")).has_value());
  for (std::string other : {bytes.substr(0, 31), bytes + "x", std::string("abcd")}) {
    EXPECT_FALSE(LongCancelKey::decode({.process_id = 77, .key = other}, secret).has_value());
  }
}

}  // namespace
}  // namespace trunkline::wire
