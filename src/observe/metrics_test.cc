#include "observe/metrics.h"

#include <atomic>
#include <gtest/gtest.h>
#include <limits>
#include <thread>

namespace trunkline::observe {
namespace {

constexpr Descriptor kMetrics[] = {
    {"requests", "Requests.", Type::counter},
    {"clients", "Clients.", Type::gauge},
    {"wait", "Time waited.", Type::histogram, Unit::seconds},
    {"received", "Bytes received.", Type::counter, Unit::bytes},
};
enum Metric : uint8_t { kRequests, kClients, kWait, kReceived };
constexpr std::string_view kLabels[] = {"route"};
constexpr GroupDescriptor kDescriptor{kMetrics, kLabels};
constexpr size_t kWaitCell = cell_offset(kMetrics, kWait);
constexpr size_t kReceivedCell = cell_offset(kMetrics, kReceived);

const Family* find(const std::vector<Family>& families, std::string_view name) {
  for (const Family& family : families) {
    if (family.descriptor.name == name) return &family;
  }
  return nullptr;
}

int64_t value(const Registry& registry, std::string_view name, std::string_view label) {
  std::vector<Family> families = registry.read();
  const Family* family = find(families, name);
  if (family == nullptr) return -1;
  for (const Sample& sample : family->samples) {
    if (sample.labels->at(0).second == label) return sample.value;
  }
  return -1;
}

TEST(Buckets, HoldValuesUpToTheirBoundAndNotBeyond) {
  constexpr Buckets kBuckets{3, 4};  // 8, 16, 32, 64
  EXPECT_EQ(kBuckets.index(0), 0U);
  EXPECT_EQ(kBuckets.index(8), 0U);
  EXPECT_EQ(kBuckets.index(9), 1U);
  EXPECT_EQ(kBuckets.index(16), 1U);
  EXPECT_EQ(kBuckets.index(17), 2U);
  EXPECT_EQ(kBuckets.index(64), 3U);
  EXPECT_EQ(kBuckets.index(65), 4U);
  EXPECT_EQ(kBuckets.index(std::numeric_limits<uint64_t>::max()), 4U);
  for (size_t i = 0; i < kBuckets.count; ++i) {
    EXPECT_EQ(kBuckets.index(kBuckets.upper_bound(i)), i);
    EXPECT_EQ(kBuckets.index(kBuckets.upper_bound(i) + 1), i + 1);
  }
}

TEST(Buckets, OfLatencySpanMicrosecondsToMinutes) {
  EXPECT_EQ(kLatencyBuckets.index(60'000), 0U);
  EXPECT_GT(kLatencyBuckets.upper_bound(kLatencyBuckets.count - 1), 100'000'000'000U);
  EXPECT_EQ(kLatencyBuckets.index(200'000'000'000), kLatencyBuckets.count);
}

TEST(Group, GivesEachWriterCacheLinesOfItsOwn) {
  Registry registry(3);
  auto group = registry.group(kDescriptor, {"main"});
  for (size_t writer = 0; writer < 3; ++writer) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(group->cells(writer)) % 128, 0U);
  }
  EXPECT_GT(group->cells(1), group->cells(0) + kReceivedCell);
  EXPECT_GT(group->cells(2), group->cells(1) + kReceivedCell);
}

TEST(Registry, AddsTheWritersUp) {
  Registry registry(2);
  auto group = registry.group(kDescriptor, {"main"});
  group->cells(0)[kRequests].add(3);
  group->cells(1)[kRequests].add(4);
  group->cells(1)[kReceivedCell].add(5);
  EXPECT_EQ(value(registry, "requests", "main"), 7);
  EXPECT_EQ(value(registry, "received", "main"), 5);
}

TEST(Registry, ReadsAGaugeThatRoseInOneThreadAndFellInAnother) {
  Registry registry(2);
  auto group = registry.group(kDescriptor, {"main"});
  group->cells(0)[kClients].add(3);
  group->cells(1)[kClients].sub(2);
  EXPECT_EQ(value(registry, "clients", "main"), 1);
  group->cells(1)[kClients].sub(2);
  EXPECT_EQ(value(registry, "clients", "main"), -1);
}

TEST(Registry, ReadsHistogramsWithSumAndOverflow) {
  Registry registry(2);
  auto group = registry.group(kDescriptor, {"main"});
  record(group->cells(0) + kWaitCell, kLatencyBuckets, Duration(1ms));
  record(group->cells(1) + kWaitCell, kLatencyBuckets, Duration(1ms));
  record(group->cells(1) + kWaitCell, kLatencyBuckets, Duration(300s));
  record(group->cells(1) + kWaitCell, kLatencyBuckets, Duration(-1ms));  // counts as none
  std::vector<Family> families = registry.read();
  const Sample& sample = find(families, "wait")->samples.at(0);
  ASSERT_EQ(sample.buckets.size(), kLatencyBuckets.count + 1U);
  EXPECT_EQ(sample.buckets[0], 1U);
  EXPECT_EQ(sample.buckets[kLatencyBuckets.index(1'000'000)], 2U);
  EXPECT_EQ(sample.buckets.back(), 1U);
  EXPECT_EQ(sample.sum, 300'002'000'000U);
  EXPECT_EQ(group->cells(0)[kReceivedCell].get(), 0U);
}

TEST(Registry, FindsTheSameGroupAgainAndOrdersFamiliesAndLabels) {
  Registry registry(1);
  auto zoo = registry.group(kDescriptor, {"zoo"});
  auto ant = registry.group(kDescriptor, {"ant"});
  EXPECT_EQ(registry.group(kDescriptor, {"zoo"}), zoo);
  EXPECT_NE(ant, zoo);
  std::vector<Family> families = registry.read();
  EXPECT_TRUE(std::ranges::is_sorted(families, {}, [](auto& f) { return f.descriptor.name; }));
  EXPECT_EQ(find(families, "requests")->samples.at(0).labels->at(0).second, "ant");
  EXPECT_EQ(find(families, "requests")->samples.at(1).labels->at(0).second, "zoo");
}

TEST(Registry, ForgetsAGroupOnlyWhenNobodyHasHeldItForAWhile) {
  Registry registry(1);
  const Instant start = Instant{} + 1h;
  auto held = registry.group(kDescriptor, {"held"});
  registry.group(kDescriptor, {"gone"})->cells(0)[kRequests].add(9);
  registry.drop_unused(start);
  registry.drop_unused(start + Registry::kUnusedLinger - 1ns);
  EXPECT_EQ(value(registry, "requests", "gone"), 9);
  registry.drop_unused(start + Registry::kUnusedLinger);
  EXPECT_EQ(value(registry, "requests", "gone"), -1);
  EXPECT_EQ(value(registry, "requests", "held"), 0);
}

TEST(Registry, KeepsCountingWhenALabelSetComesBackInTime) {
  Registry registry(1);
  const Instant start = Instant{} + 1h;
  registry.group(kDescriptor, {"main"})->cells(0)[kRequests].add(9);
  registry.drop_unused(start);
  auto again = registry.group(kDescriptor, {"main"});
  again->cells(0)[kRequests].add(1);
  registry.drop_unused(start + 2 * Registry::kUnusedLinger);
  again.reset();
  registry.drop_unused(start + 3 * Registry::kUnusedLinger);  // the wait begins anew
  EXPECT_EQ(value(registry, "requests", "main"), 10);
}

TEST(Registry, RowsOfOneNameInATableHaveALabelEach) {
  static constexpr Descriptor kRows[] = {
      {.name = "doors", .help = "", .type = Type::gauge, .label = "state", .label_value = "open"},
      {.name = "doors", .help = "", .type = Type::gauge, .label = "state", .label_value = "shut"}};
  static constexpr GroupDescriptor kTable{kRows, kLabels};
  Registry registry(1);
  auto group = registry.group(kTable, {"main"});
  group->cells(0)[0].add(3);
  group->cells(0)[1].add(4);
  std::vector<Family> families = registry.read();
  ASSERT_EQ(families.size(), 1U);
  ASSERT_EQ(families[0].samples.size(), 2U);
  EXPECT_EQ(*families[0].samples[0].labels, (Labels{{"route", "main"}, {"state", "open"}}));
  EXPECT_EQ(families[0].samples[0].value, 3);
  EXPECT_EQ(*families[0].samples[1].labels, (Labels{{"route", "main"}, {"state", "shut"}}));
  EXPECT_EQ(families[0].samples[1].value, 4);
}

TEST(Registry, BoundsTheLabelSetsOfOneTable) {
  Registry registry(1, 2);
  auto first = registry.group(kDescriptor, {"first"});
  registry.group(kDescriptor, {"second"});
  auto third = registry.group(kDescriptor, {"third"});  // takes the place nobody held
  EXPECT_EQ(third->labels()->at(0).second, "third");
  EXPECT_EQ(value(registry, "requests", "second"), -1);
  auto fourth = registry.group(kDescriptor, {"fourth"});
  auto fifth = registry.group(kDescriptor, {"fifth"});
  EXPECT_EQ(fourth->labels()->at(0).second, "other");
  EXPECT_EQ(fifth, fourth);
  EXPECT_EQ(registry.group(kDescriptor, {"first"}), first);
}

TEST(Registry, AsksCallbackGaugesWhileTheirHandleLives) {
  Registry registry(1);
  constexpr Descriptor kOpen{"memory", "Memory in use.", Type::gauge, Unit::bytes};
  int64_t now = 5;
  {
    GaugeHandle handle = registry.gauge(kOpen, {{"part", "slab"}}, [&] { return now; });
    GaugeHandle moved = std::move(handle);
    EXPECT_EQ(value(registry, "memory", "slab"), 5);
    now = 6;
    EXPECT_EQ(value(registry, "memory", "slab"), 6);
  }
  EXPECT_EQ(value(registry, "memory", "slab"), -1);
}

TEST(Registry, LosesNothingWhileThreadsWriteAndScrapesAndReloadsGoOn) {
  constexpr size_t kWriters = 4;
  constexpr uint64_t kRounds = 5'000;
  Registry registry(kWriters);
  auto main_group = registry.group(kDescriptor, {"main"});
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    int64_t last = 0;
    Instant now{};
    while (!stop) {
      int64_t seen = value(registry, "requests", "main");
      EXPECT_GE(seen, last);
      last = seen;
      registry.drop_unused(now += 1h);
    }
  });
  std::vector<std::thread> writers;
  for (size_t writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      Cell* cells = main_group->cells(writer);
      for (uint64_t i = 0; i < kRounds; ++i) {
        cells[kRequests].add();
        record(cells + kWaitCell, kLatencyBuckets, i);
        if (i % 50 == 0) registry.group(kDescriptor, {std::to_string(i % 7)})->cells(writer)->add();
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  stop = true;
  reader.join();
  EXPECT_EQ(value(registry, "requests", "main"), static_cast<int64_t>(kWriters * kRounds));
}

}  // namespace
}  // namespace trunkline::observe
