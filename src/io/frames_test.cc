#include "io/frames.h"

#include <cstring>
#include <gtest/gtest.h>
#include <set>
#include <thread>
#include <vector>

namespace trunkline::io {
namespace {

TEST(Frames, of_all_sizes_are_as_large_as_asked_for_and_apart) {
  std::vector<std::pair<char*, size_t>> taken;
  for (int round = 0; round < 3; ++round) {
    for (size_t bytes = 1; bytes < 20'000; bytes += 777) {
      auto* frame = static_cast<char*>(take_frame(bytes));
      std::memset(frame, static_cast<int>(taken.size()), bytes);
      taken.emplace_back(frame, bytes);
    }
    for (size_t i = 0; i < taken.size(); ++i) {
      auto [frame, bytes] = taken[i];
      EXPECT_EQ(frame[0], static_cast<char>(i));
      EXPECT_EQ(frame[bytes - 1], static_cast<char>(i));
      give_frame_back(frame, bytes);
    }
    taken.clear();
  }
}

TEST(Frames, more_than_are_kept_go_back_to_the_system) {
  std::vector<void*> taken;
  std::set<void*> different;
  for (int i = 0; i < 1000; ++i) different.insert(taken.emplace_back(take_frame(300)));
  EXPECT_EQ(different.size(), taken.size());
  for (void* frame : taken) give_frame_back(frame, 300);
}

TEST(Frames, go_back_on_another_thread) {
  void* small = take_frame(100);
  void* large = take_frame(5000);
  std::thread([&] {
    give_frame_back(small, 100);
    give_frame_back(large, 5000);
    give_frame_back(take_frame(5000), 5000);
  }).join();
}

}  // namespace
}  // namespace trunkline::io
