#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/intrusive_list.h"
#include "base/secret.h"
#include "base/slab.h"

namespace trunkline {
namespace {

TEST(ByteReader, StaysFailedAfterTheFirstShortRead) {
  ByteReader reader(std::string_view("\0\0\0\7ab\0c", 8));
  EXPECT_EQ(reader.read<int32_t>(), 7);
  EXPECT_EQ(reader.read_c_string(), "ab");
  EXPECT_EQ(reader.read_c_string(), std::nullopt);
  EXPECT_EQ(reader.read<char>(), std::nullopt);
  EXPECT_TRUE(reader.failed());
}

TEST(Reason, EveryOneHasAName) {
  for (uint8_t i = 0; i < static_cast<uint8_t>(Reason::kCount); ++i) {
    EXPECT_FALSE(reason_name(static_cast<Reason>(i)).empty());
  }
  EXPECT_EQ(reason_name(Reason::internal_error), "internal_error");
}

struct Item : ListNode<> {
  explicit Item(int v) : value(v) {}
  int value;
};

TEST(IntrusiveList, KeepsOrderAndLetsObjectsLeave) {
  IntrusiveList<Item> list;
  Item a(1), c(3);
  {
    Item b(2);
    list.push_back(a);
    list.push_back(b);
    list.push_back(c);
  }
  EXPECT_EQ(list.pop_front()->value, 1);
  EXPECT_EQ(list.pop_front()->value, 3);
  EXPECT_EQ(list.pop_front(), nullptr);
}

TEST(Slab, IsBoundedAndReuses) {
  Slab slab(1024, 2, 1);
  Lease a = slab.borrow();
  Lease b = slab.borrow();
  EXPECT_FALSE(slab.borrow());
  char* first = a.data();
  a.reset();
  Lease again = slab.borrow();
  EXPECT_EQ(again.data(), first);
  EXPECT_EQ(again.span().size(), 1024U);
  EXPECT_EQ(slab.in_use(), 2U);
}

TEST(Slab, TellsWaitersInTheirOrder) {
  struct Recorder final : SlabWaiter {
    Recorder(std::string& out, char mark) : out_(out), mark_(mark) {}
    void buffer_is_free() override { out_ += mark_; }
    std::string& out_;
    char mark_;
  };
  Slab slab(1024, 1, 1);
  std::string told;
  Recorder a(told, 'a'), b(told, 'b');
  Lease lease = slab.borrow();
  slab.wait(a);
  slab.wait(b);
  slab.wait(a);
  lease.reset();
  EXPECT_EQ(told, "a");
  slab.borrow().reset();
  EXPECT_EQ(told, "ab");
  EXPECT_FALSE(slab.has_waiters());
}

TEST(Slab, WhoeverIsToldAndNeedsNothingTellsTheNext) {
  struct Counter final : SlabWaiter {
    void buffer_is_free() override { ++told; }
    int told = 0;
  };
  Slab slab(1024, 1, 1);
  Counter a, b;
  Lease lease = slab.borrow();
  slab.wait(a);
  slab.wait(b);
  slab.tell_next();
  EXPECT_EQ(a.told, 0) << "no buffer is free";
  lease.reset();
  EXPECT_EQ(a.told, 1);
  slab.tell_next();
  EXPECT_EQ(b.told, 1);
  slab.tell_next();
}

TEST(Slab, AHigherLimitTellsAsManyAsItMakesRoomFor) {
  struct Counter final : SlabWaiter {
    void buffer_is_free() override { ++told; }
    int told = 0;
  };
  Slab slab(1024, 1, 1);
  Counter a, b, c;
  Lease lease = slab.borrow();
  for (Counter* waiter : {&a, &b, &c}) slab.wait(*waiter);
  EXPECT_EQ(slab.waiters(), 3U);
  slab.set_limit(1);
  EXPECT_EQ(slab.waiters(), 3U) << "there is no room";
  slab.set_limit(3);
  EXPECT_EQ(a.told, 1);
  EXPECT_EQ(b.told, 1);
  EXPECT_EQ(c.told, 0) << "two fit";
  EXPECT_EQ(slab.waiters(), 1U);
}

TEST(Secret, MovesAndCompares) {
  Secret a("hunter2");
  Secret b = std::move(a);
  EXPECT_EQ(b.reveal(), "hunter2");
  EXPECT_TRUE(equal_in_constant_time(b.clone().reveal(), b.reveal()));
  EXPECT_FALSE(equal_in_constant_time("hunter2", "hunter3"));
  EXPECT_FALSE(equal_in_constant_time("hunter2", "hunter"));
  EXPECT_TRUE(Secret().empty());
}

}  // namespace
}  // namespace trunkline
