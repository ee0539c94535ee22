#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

// Counters, gauges and histograms. Whoever owns a metric describes it in a constant table; a
// `Group` gives one such table its cells for one set of label values (`route="main"`), one block a
// writing thread. Writing is a plain add through a pointer that was resolved at login; reading adds
// the blocks up.
namespace trunkline::observe {

// One number. Written by one thread only, which is why no read-modify-write is needed; read by any.
// A gauge may be raised in one thread's block and lowered in another's: the sum, taken modulo 2^64,
// is right.
class Cell {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void sub(uint64_t n = 1) { add(0 - n); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

enum class Type : uint8_t { counter, gauge, histogram };

// What the cells hold: counts, bytes, or nanoseconds, which are shown as seconds.
enum class Unit : uint8_t { none, bytes, seconds };

// The upper bounds of a histogram are powers of two of the raw unit, so that finding the bucket
// needs no loop: bucket i holds values up to 2^(first_exponent + i), the cell after the last what
// is larger.
struct Buckets {
  uint8_t first_exponent;
  uint8_t count;

  constexpr size_t index(uint64_t value) const {
    auto exponent = static_cast<size_t>(std::bit_width(value == 0 ? 0 : value - 1));
    if (exponent <= first_exponent) return 0;
    return std::min<size_t>(exponent - first_exponent, count);
  }
  constexpr uint64_t upper_bound(size_t i) const { return uint64_t{1} << (first_exponent + i); }
};
inline constexpr Buckets kLatencyBuckets{16, 22};  // 65.5 us to 137 s

struct Descriptor {
  std::string_view name;  // without the prefix and the suffixes for unit and counter
  std::string_view help;
  Type type = Type::counter;
  Unit unit = Unit::none;
  Buckets buckets = kLatencyBuckets;
  // One more label, with a value of this row's own: rows of one name in one table, so that what
  // changes together stands together.
  std::string_view label = {};
  std::string_view label_value = {};

  // Histograms: the buckets, what is larger, the sum.
  constexpr size_t cells() const { return type == Type::histogram ? buckets.count + 2U : 1U; }
};

// Both spans are constants with static storage; their address is the identity of the group.
struct GroupDescriptor {
  std::span<const Descriptor> metrics;
  std::span<const std::string_view> labels;
};

// Where a metric's cells begin in a block. A constant when the table is one.
constexpr size_t cell_offset(std::span<const Descriptor> metrics, size_t metric) {
  size_t offset = 0;
  for (size_t i = 0; i < metric; ++i) offset += metrics[i].cells();
  return offset;
}

// `histogram` points at the metric's first cell.
inline void record(Cell* histogram, const Buckets& buckets, uint64_t value) {
  histogram[buckets.index(value)].add();
  histogram[buckets.count + 1].add(value);
}
inline void record(Cell* histogram, const Buckets& buckets, Duration duration) {
  record(histogram, buckets, duration.count() < 0 ? 0 : static_cast<uint64_t>(duration.count()));
}

using Labels = std::vector<std::pair<std::string, std::string>>;

// The cells of one table for one set of label values. Held by the parts of the configuration that
// count in it (routes, upstreams) and by sessions; each writing thread touches only its own block,
// which shares no cache line with another's.
class Group {
 public:
  Group(const GroupDescriptor& descriptor, std::shared_ptr<const Labels> labels, size_t writers);

  Cell* cells(size_t writer);
  // The sum over all writers, modulo 2^64.
  uint64_t total(size_t cell) const;
  std::span<const Descriptor> metrics() const { return metrics_; }
  const std::shared_ptr<const Labels>& labels() const { return labels_; }

 private:
  // Two cache lines: prefetchers fetch them in pairs.
  static constexpr size_t kCellsPerLine = 16;
  struct alignas(128) Line {
    Cell cells[kCellsPerLine];
  };

  const std::span<const Descriptor> metrics_;
  const std::shared_ptr<const Labels> labels_;
  const size_t lines_per_writer_;
  std::vector<Line> lines_;
};

// What a scrape reads: plain data, in raw units.
struct Sample {
  std::shared_ptr<const Labels> labels;
  int64_t value = 0;                   // counters and gauges
  std::vector<uint64_t> buckets = {};  // histograms: not cumulative, the last is what is larger
  uint64_t sum = 0;
};
struct Family {
  Descriptor descriptor;
  std::vector<Sample> samples;  // ordered by labels
};

class Registry;

// Keeps a callback gauge registered; the registry must outlive it.
class GaugeHandle {
 public:
  GaugeHandle() = default;
  GaugeHandle(Registry* registry, uint64_t id) : registry_(registry), id_(id) {}
  GaugeHandle(GaugeHandle&& other) noexcept
      : registry_(std::exchange(other.registry_, nullptr)), id_(other.id_) {}
  GaugeHandle& operator=(GaugeHandle&& other) noexcept {
    std::swap(registry_, other.registry_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~GaugeHandle();

  bool is_registered() const { return registry_ != nullptr; }

 private:
  Registry* registry_ = nullptr;
  uint64_t id_ = 0;
};

// All metrics of the process. Any thread; everything here is a cold path under one mutex. Outlives
// every group and handle.
//
// A group lives as long as somebody holds it, and `kUnusedLinger` longer, so that what was counted
// last is seen by a scrape and a counter does not restart when a reload takes a route away and
// brings it back. Label values may come from clients (a captured server name): at most `groups_max`
// label sets exist for one table; further ones count together under the value "other".
class Registry {
 public:
  static constexpr size_t kGroupsMax = 4096;
  static constexpr Duration kUnusedLinger = 10min;

  // `writers`: how many threads write, the workers and the control thread.
  explicit Registry(size_t writers, size_t groups_max = kGroupsMax);

  // Creates or finds the group; one value for each label of the descriptor.
  std::shared_ptr<Group> group(const GroupDescriptor& descriptor,
                               const std::vector<std::string>& values);

  // A gauge whose value is asked for at each scrape, on the scraping thread with the registry
  // locked: `read` must be quick and must not call the registry.
  [[nodiscard]] GaugeHandle gauge(const Descriptor& descriptor, Labels labels,
                                  std::function<int64_t()> read);

  // Everything, ordered by name.
  std::vector<Family> read() const;

  // Forgets groups that nobody has held for `kUnusedLinger`. Called with each scrape and reload.
  void drop_unused(Instant now);

  size_t writers() const { return writers_; }

 private:
  friend class GaugeHandle;
  struct Entry {
    std::shared_ptr<Group> group;
    Instant unused_since = Instant::max();
  };
  struct Callback {
    Descriptor descriptor;
    std::shared_ptr<const Labels> labels;
    std::function<int64_t()> read;
  };
  using Table = std::map<std::vector<std::string>, Entry>;  // by label values

  void remove_gauge(uint64_t id);

  const size_t writers_;
  const size_t groups_max_;
  mutable std::mutex mutex_;
  std::map<const Descriptor*, Table> tables_;
  std::map<uint64_t, Callback> callbacks_;
  uint64_t next_callback_ = 1;
};

}  // namespace trunkline::observe
