#include "pool/senders.h"

#include <gtest/gtest.h>

namespace trunkline::pool {
namespace {

TEST(Senders, a_process_that_nobody_has_entered_is_the_servers) {
  Senders senders;
  EXPECT_EQ(senders.client_of("10.0.0.1:5432", 7), 7);
}

TEST(Senders, a_connection_that_nobody_has_used_is_the_servers) {
  Senders senders;
  auto place = senders.enter("10.0.0.1:5432", 7);
  EXPECT_EQ(place->client(), 0);
  EXPECT_EQ(senders.client_of("10.0.0.1:5432", 7), 7);
}

TEST(Senders, the_client_that_used_it_last_is_named) {
  Senders senders;
  auto place = senders.enter("10.0.0.1:5432", 7);
  place->set_client(100);
  EXPECT_EQ(senders.client_of("10.0.0.1:5432", 7), 100);
  place->set_client(101);
  EXPECT_EQ(senders.client_of("10.0.0.1:5432", 7), 101);
}

TEST(Senders, servers_have_processes_of_equal_numbers) {
  Senders senders;
  auto one = senders.enter("10.0.0.1:5432", 7);
  auto two = senders.enter("10.0.0.2:5432", 7);
  one->set_client(100);
  two->set_client(200);
  EXPECT_EQ(senders.client_of("10.0.0.1:5432", 7), 100);
  EXPECT_EQ(senders.client_of("10.0.0.2:5432", 7), 200);
}

TEST(Senders, a_connection_that_is_closed_is_forgotten) {
  Senders senders;
  auto place = senders.enter("10.0.0.1:5432", 7);
  place->set_client(100);
  place.reset();
  EXPECT_EQ(senders.client_of("10.0.0.1:5432", 7), 7);
}

TEST(Senders, a_number_that_is_given_out_again_is_the_new_ones) {
  Senders senders;
  auto old = senders.enter("10.0.0.1:5432", 7);
  auto next = senders.enter("10.0.0.1:5432", 7);
  next->set_client(100);
  old.reset();
  EXPECT_EQ(senders.client_of("10.0.0.1:5432", 7), 100);
}

}  // namespace
}  // namespace trunkline::pool
