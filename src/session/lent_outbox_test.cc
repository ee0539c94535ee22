#include "session/lent_outbox.h"

#include <gtest/gtest.h>
#include <string>
#include <string_view>

namespace trunkline::session {
namespace {

using Lent = LentOutbox<4>;

std::string content(const Lent& outbox) {
  std::string bytes;
  for (const iovec& part : outbox.parts()) {
    bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
  }
  return bytes;
}

TEST(LentOutbox, is_small_while_nothing_is_in_it) {
  static_assert(sizeof(LentOutbox<32>) == sizeof(void*));
  Lent outbox;
  EXPECT_TRUE(outbox.empty());
  EXPECT_TRUE(outbox.parts().empty());
  EXPECT_EQ(outbox.room(), 4U);
  outbox.add({});
  EXPECT_TRUE(outbox.empty());
  outbox.written(0);
  outbox.clear();
  EXPECT_TRUE(outbox.empty());
}

TEST(LentOutbox, is_an_outbox_until_all_is_written) {
  std::string_view bytes = "ab.cd";
  Lent outbox;
  outbox.add(bytes.substr(0, 2));
  outbox.add(bytes.substr(3, 2));
  EXPECT_EQ(outbox.room(), 2U);
  outbox.written(3);
  EXPECT_EQ(content(outbox), "d");
  outbox.written(1);
  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(outbox.room(), 4U);
}

TEST(LentOutbox, finds_nothing_of_those_who_had_it_before) {
  std::string_view bytes = "ab.cd";
  Lent first;
  first.add(bytes.substr(0, 1));
  first.clear();
  Lent second;
  second.add(bytes.substr(3, 2));
  Lent third;
  third.add(bytes.substr(0, 2));
  EXPECT_EQ(content(second), "cd");
  EXPECT_EQ(content(third), "ab");
}

}  // namespace
}  // namespace trunkline::session
