#include "observe/metrics.h"

#include <algorithm>
#include <cassert>

namespace trunkline::observe {

namespace {

// Families by name. One name is one table's, or callbacks that agree on type and unit.
class Families {
 public:
  Family& of(const Descriptor& descriptor) {
    auto [found, is_new] = by_name_.try_emplace(descriptor.name, Family{descriptor, {}});
    assert(is_new || (found->second.descriptor.type == descriptor.type &&
                      found->second.descriptor.unit == descriptor.unit));
    return found->second;
  }

  std::vector<Family> take() {
    auto by_labels = [](const Sample& sample) -> const Labels& { return *sample.labels; };
    std::vector<Family> all;
    all.reserve(by_name_.size());
    for (auto& [name, family] : by_name_) {
      std::ranges::sort(family.samples, {}, by_labels);
      all.push_back(std::move(family));
    }
    return all;
  }

 private:
  std::map<std::string_view, Family> by_name_;
};

std::shared_ptr<const Labels> labels_of(const Group& group, const Descriptor& metric) {
  if (metric.label.empty()) return group.labels();
  auto labels = std::make_shared<Labels>(*group.labels());
  labels->emplace_back(metric.label, metric.label_value);
  return labels;
}

Sample read_metric(const Group& group, const Descriptor& metric, size_t offset) {
  Sample sample{.labels = labels_of(group, metric)};
  if (metric.type != Type::histogram) {
    sample.value = static_cast<int64_t>(group.total(offset));
    return sample;
  }
  for (size_t i = 0; i <= metric.buckets.count; ++i) {
    sample.buckets.push_back(group.total(offset + i));
  }
  sample.sum = group.total(offset + metric.buckets.count + 1);
  return sample;
}

}  // namespace

Group::Group(const GroupDescriptor& descriptor, std::shared_ptr<const Labels> labels,
             size_t writers)
    : metrics_(descriptor.metrics),
      labels_(std::move(labels)),
      lines_per_writer_((cell_offset(metrics_, metrics_.size()) + kCellsPerLine - 1) /
                        kCellsPerLine),
      lines_(writers * lines_per_writer_) {}

Cell* Group::cells(size_t writer) {
  assert(writer * lines_per_writer_ < lines_.size());
  return lines_[writer * lines_per_writer_].cells;
}

uint64_t Group::total(size_t cell) const {
  uint64_t sum = 0;
  size_t line = cell / kCellsPerLine;
  for (; line < lines_.size(); line += lines_per_writer_) {
    sum += lines_[line].cells[cell % kCellsPerLine].get();
  }
  return sum;
}

GaugeHandle::~GaugeHandle() {
  if (registry_ != nullptr) registry_->remove_gauge(id_);
}

Registry::Registry(size_t writers, size_t groups_max)
    : writers_(writers), groups_max_(groups_max) {}

std::shared_ptr<Group> Registry::group(const GroupDescriptor& descriptor,
                                       const std::vector<std::string>& values) {
  assert(values.size() == descriptor.labels.size());
  std::lock_guard lock(mutex_);
  Table& table = tables_[descriptor.metrics.data()];
  const std::vector<std::string>* key = &values;
  std::vector<std::string> other;
  auto found = table.find(*key);
  if (found == table.end() && table.size() >= groups_max_) {
    std::erase_if(table, [](const auto& entry) { return entry.second.group.use_count() == 1; });
    if (table.size() >= groups_max_) {
      other.assign(values.size(), "other");
      key = &other;
      found = table.find(*key);
    }
  }
  if (found == table.end()) {
    auto labels = std::make_shared<Labels>();
    for (size_t i = 0; i < key->size(); ++i) labels->emplace_back(descriptor.labels[i], (*key)[i]);
    auto group = std::make_shared<Group>(descriptor, std::move(labels), writers_);
    found = table.emplace(*key, Entry{std::move(group)}).first;
  }
  found->second.unused_since = Instant::max();
  return found->second.group;
}

GaugeHandle Registry::gauge(const Descriptor& descriptor, Labels labels,
                            std::function<int64_t()> read) {
  assert(descriptor.type == Type::gauge);
  std::lock_guard lock(mutex_);
  uint64_t id = next_callback_++;
  callbacks_.emplace(
      id, Callback{descriptor, std::make_shared<Labels>(std::move(labels)), std::move(read)});
  return {this, id};
}

void Registry::remove_gauge(uint64_t id) {
  std::lock_guard lock(mutex_);
  callbacks_.erase(id);
}

std::vector<Family> Registry::read() const {
  Families families;
  std::lock_guard lock(mutex_);
  for (const auto& [id, table] : tables_) {
    for (const auto& [values, entry] : table) {
      size_t offset = 0;
      for (const Descriptor& metric : entry.group->metrics()) {
        families.of(metric).samples.push_back(read_metric(*entry.group, metric, offset));
        offset += metric.cells();
      }
    }
  }
  for (const auto& [id, callback] : callbacks_) {
    families.of(callback.descriptor).samples.push_back({callback.labels, callback.read()});
  }
  return families.take();
}

void Registry::drop_unused(Instant now) {
  std::lock_guard lock(mutex_);
  for (auto& [id, table] : tables_) {
    for (auto& [values, entry] : table) {
      // Only this registry hands out further references, and only under the lock: one is final.
      if (entry.group.use_count() > 1) {
        entry.unused_since = Instant::max();
      } else if (entry.unused_since == Instant::max()) {
        entry.unused_since = now;
      }
    }
    std::erase_if(table, [&](const auto& item) {
      Instant since = item.second.unused_since;
      return since != Instant::max() && now - since >= kUnusedLinger;
    });
  }
}

}  // namespace trunkline::observe
