#pragma once

#include <compare>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trunkline::pool {

// Settings by name, as SET and the startup packet make them: what a session has set, or what a
// connection has been set to. Names are in lower case, but for their lower case ASCII is all that
// matters to PostgreSQL (guc_name_compare). Sorted; immutable once it is shared.
class Settings {
 public:
  using Entry = std::pair<std::string, std::string>;

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  // Null when it is not there.
  const std::string* find(std::string_view name) const;
  void set(std::string_view name, std::string value);
  void reset(std::string_view name);
  size_t bytes() const;

  friend auto operator<=>(const Settings&, const Settings&) = default;

 private:
  std::vector<Entry> entries_;
};

// Shared by all who have the same settings: comparing pointers is enough in the usual case. Null:
// none.
using SettingsPtr = std::shared_ptr<const Settings>;

inline bool same(const SettingsPtr& a, const SettingsPtr& b) {
  if (a == b) return true;
  if (a == nullptr || b == nullptr) return (a ? a : b)->empty();
  return *a == *b;
}

}  // namespace trunkline::pool
