#include "session/outbox.h"

#include <gtest/gtest.h>
#include <string>
#include <string_view>

namespace trunkline::session {
namespace {

std::string content(const Outbox& outbox) {
  std::string bytes;
  for (const iovec& part : outbox.parts()) {
    bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
  }
  return bytes;
}

TEST(OutboxTest, NewAndClearedOnesAreEmpty) {
  Outbox outbox;
  EXPECT_TRUE(outbox.empty());
  EXPECT_TRUE(outbox.parts().empty());
  outbox.add("text");
  EXPECT_FALSE(outbox.empty());
  outbox.clear();
  EXPECT_TRUE(outbox.empty());
}

TEST(OutboxTest, NothingIsNoPart) {
  Outbox outbox;
  outbox.add({});
  EXPECT_TRUE(outbox.empty());
}

TEST(OutboxTest, NeighbouringBytesJoin) {
  std::string bytes = "abcdef";
  std::string_view view = bytes;
  Outbox outbox;
  outbox.add(view.substr(0, 2));
  outbox.add(view.substr(2, 3));
  EXPECT_EQ(outbox.parts().size(), 1);
  outbox.add(view.substr(0, 1));  // not a neighbour
  EXPECT_EQ(outbox.parts().size(), 2);
  EXPECT_EQ(content(outbox), "abcdea");
}

TEST(OutboxTest, PartsAreBoundedByTheirMax) {
  std::string bytes = "a.b.c.d.";
  std::string_view view = bytes;
  Outbox outbox;
  for (size_t i = 0; i < Outbox::kPartsMax; ++i) outbox.add(view.substr(2 * i, 1));
  EXPECT_EQ(outbox.parts().size(), Outbox::kPartsMax);
  EXPECT_EQ(content(outbox), "abcd");
#ifndef NDEBUG
  EXPECT_DEATH(outbox.add("more"), "kPartsMax");
#endif
}

TEST(OutboxTest, WrittenBytesGoFromTheFrontAtEveryPoint) {
  std::string first = "abc";
  std::string second = "defgh";
  for (size_t written = 0; written <= 8; ++written) {
    Outbox outbox;
    outbox.add(first);
    outbox.add(second);
    outbox.written(written);
    EXPECT_EQ(content(outbox), std::string("abcdefgh").substr(written)) << written;
    EXPECT_EQ(outbox.empty(), written == 8);
  }
}

TEST(OutboxTest, RoomComesBackWhenAllIsWritten) {
  std::string bytes = "a.b.c.d.";
  std::string_view view = bytes;
  Outbox outbox;
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < Outbox::kPartsMax; ++i) outbox.add(view.substr(2 * i, 1));
    outbox.written(3);
    outbox.written(1);
    ASSERT_TRUE(outbox.empty());
  }
}

}  // namespace
}  // namespace trunkline::session
