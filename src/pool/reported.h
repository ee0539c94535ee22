#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trunkline::pool {

// What ParameterStatus has said, by name in the server's own spelling: a dozen or so.
class Reported {
 public:
  using Entry = std::pair<std::string, std::string>;

  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  const std::string* find(std::string_view name) const {
    for (const Entry& entry : entries_) {
      if (entry.first == name) return &entry.second;
    }
    return nullptr;
  }
  // False when it was so already.
  bool set(std::string_view name, std::string_view value) {
    for (Entry& entry : entries_) {
      if (entry.first != name) continue;
      if (entry.second == value) return false;
      entry.second = value;
      return true;
    }
    entries_.emplace_back(name, value);
    return true;
  }

 private:
  std::vector<Entry> entries_;
};

// What a client was told; shared by all who were told the same at their login.
using ReportedPtr = std::shared_ptr<const Reported>;

}  // namespace trunkline::pool
