#include "session/timeouts.h"

#include <gtest/gtest.h>

namespace trunkline::session {
namespace {

using Doing = Timeouts::Doing;
using Expired = Timeouts::Expired;

constexpr Instant kStart{1000s};

config::PoolTimeouts all() {
  return {.query = 1s, .transaction = 10s, .idle_in_transaction = 3s, .client_idle = 60s};
}

Timeouts::Activity asking(Instant began, Instant transaction) {
  return {.doing = Doing::asking, .exchange_began = began, .transaction_began = transaction};
}
Timeouts::Activity idle_in_transaction(Instant answered, Instant transaction) {
  return {.doing = Doing::idle_in_transaction,
          .exchange_began = answered,
          .transaction_began = transaction};
}
Timeouts::Activity resting(Instant answered) {
  return {.doing = Doing::resting, .exchange_began = answered, .transaction_began = answered};
}

TEST(Timeouts, without_limits_nothing_is_ever_due) {
  Timeouts timeouts({}, kStart);
  for (Doing doing : {Doing::resting, Doing::asking, Doing::idle_in_transaction, Doing::waiting}) {
    EXPECT_EQ(timeouts.note({.doing = doing, .exchange_began = kStart, .transaction_began = kStart},
                            kStart),
              Instant::max());
    EXPECT_EQ(timeouts.take_expired(kStart + 10000s), std::nullopt);
  }
}

TEST(Timeouts, a_query_expires_once_and_the_next_one_again) {
  Timeouts timeouts(all(), kStart);
  EXPECT_EQ(timeouts.note(asking(kStart, kStart), kStart), kStart + 1s);
  EXPECT_EQ(timeouts.take_expired(kStart + 999ms), std::nullopt);
  EXPECT_EQ(timeouts.take_expired(kStart + 1s), Expired::query);
  EXPECT_EQ(timeouts.take_expired(kStart + 5s), std::nullopt);
  EXPECT_EQ(timeouts.note(asking(kStart, kStart), kStart + 1s), kStart + 10s)
      << "the transaction is next";
  Instant later = kStart + 2s;
  EXPECT_EQ(timeouts.note(asking(later, kStart), later), later + 1s);
  EXPECT_EQ(timeouts.take_expired(later + 1s), Expired::query);
}

TEST(Timeouts, a_transaction_counts_from_its_beginning_whoever_is_slow) {
  Timeouts timeouts({.transaction = 10s}, kStart);
  EXPECT_EQ(timeouts.note(asking(kStart, kStart), kStart), kStart + 10s);
  EXPECT_EQ(timeouts.note(idle_in_transaction(kStart + 1s, kStart), kStart + 1s), kStart + 10s);
  EXPECT_EQ(timeouts.note(asking(kStart + 9s, kStart), kStart + 9s), kStart + 10s);
  EXPECT_EQ(timeouts.take_expired(kStart + 10s), Expired::transaction);
}

TEST(Timeouts, idle_in_transaction_counts_from_the_last_answer) {
  Timeouts timeouts(all(), kStart);
  timeouts.note(asking(kStart, kStart), kStart);
  Instant answered = kStart + 500ms;
  EXPECT_EQ(timeouts.note(idle_in_transaction(answered, kStart), answered), answered + 3s);
  // What a client sends bit by bit is no request yet.
  timeouts.on_heard(answered + 2s);
  EXPECT_EQ(timeouts.take_expired(answered + 3s), Expired::idle_in_transaction);
  // A request that came and was answered within one turn.
  EXPECT_EQ(timeouts.note(idle_in_transaction(answered + 2s, kStart), answered + 2s),
            answered + 5s);
}

TEST(Timeouts, a_client_is_idle_since_it_was_answered_or_heard) {
  Timeouts timeouts(all(), kStart);
  EXPECT_EQ(timeouts.note(resting(kStart), kStart), kStart + 60s) << "since its login";
  timeouts.note(asking(kStart, kStart), kStart);
  EXPECT_EQ(timeouts.note(resting(kStart + 1s), kStart + 1s), kStart + 61s);
  timeouts.on_heard(kStart + 5s);
  EXPECT_EQ(timeouts.note(resting(kStart + 1s), kStart + 5s), kStart + 65s);
  EXPECT_EQ(timeouts.take_expired(kStart + 65s), Expired::client_idle);
}

TEST(Timeouts, who_waits_for_a_connection_is_not_idle) {
  Timeouts timeouts(all(), kStart);
  EXPECT_EQ(timeouts.note({.doing = Doing::waiting, .exchange_began = {}, .transaction_began = {}},
                          kStart),
            Instant::max());
}

TEST(Timeouts, limits_may_change_meanwhile) {
  Timeouts timeouts(all(), kStart);
  timeouts.set_limits({.query = 5s});
  EXPECT_EQ(timeouts.note(asking(kStart, kStart), kStart), kStart + 5s);
  EXPECT_EQ(timeouts.note(resting(kStart + 1s), kStart + 1s), Instant::max());
}

TEST(Timeouts, ends_are_told_in_the_words_of_PostgreSQL) {
  Error error = timeout_error(Expired::idle_in_transaction);
  EXPECT_EQ(error.sqlstate, "25P03");
  EXPECT_EQ(error.message, "terminating connection due to idle-in-transaction timeout");
  EXPECT_EQ(error.hint, R"(The limit is "idle_in_transaction_timeout" of the "pool".)");
  error = timeout_error(Expired::transaction);
  EXPECT_EQ(error.sqlstate, "25P04");
  EXPECT_EQ(error.message, "terminating connection due to transaction timeout");
  error = timeout_error(Expired::client_idle);
  EXPECT_EQ(error.sqlstate, "57P05");
  EXPECT_EQ(error.message, "terminating connection due to idle-session timeout");
}

}  // namespace
}  // namespace trunkline::session
