#include "base/backoff.h"

#include <gtest/gtest.h>

namespace trunkline {
namespace {

TEST(Backoff, doubles_up_to_its_bound_and_begins_anew_after_a_success) {
  Backoff backoff;
  Instant now{100s};
  EXPECT_FALSE(backoff.has_failed());
  for (Duration pause : {50ms, 100ms, 200ms, 400ms, 800ms, 1600ms, 2000ms, 2000ms}) {
    backoff.failed(now);
    EXPECT_EQ(backoff.pause_until() - now, pause);
  }
  EXPECT_TRUE(backoff.has_failed());
  backoff.succeeded();
  EXPECT_FALSE(backoff.has_failed());
  EXPECT_LT(backoff.pause_until(), now);
  backoff.failed(now);
  EXPECT_EQ(backoff.pause_until() - now, 50ms);
}

}  // namespace
}  // namespace trunkline
