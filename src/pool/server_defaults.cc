#include "pool/server_defaults.h"

#include <utility>

#include "base/split.h"
#include "sql/identifier.h"

namespace trunkline::pool {

namespace {

// The elements of an array's text; whatever is not a plain name is left out.
void append_plain(std::string& to, std::string_view names) {
  for_each_item(names, [&](std::string_view name) {
    if (!sql::is_plain_setting_name(name)) return;
    if (!to.empty()) to += ',';
    to += name;
  });
}

}  // namespace

bool ServerDefaults::is_due(Instant now) {
  Instant before = asked_at_.load(std::memory_order_relaxed);
  return before + kFreshFor <= now &&
         asked_at_.compare_exchange_strong(before, now, std::memory_order_relaxed);
}

std::optional<std::string> ServerDefaults::on_answer(const Answer& answer) {
  std::lock_guard lock(mutex_);
  if (!now_) now_ = answer;
  if (now_->fingerprint == answer.fingerprint) return std::nullopt;
  std::string names;
  append_plain(names, now_->names);
  append_plain(names, answer.names);
  // What users may not set they cannot keep.
  return "SELECT name, reset_val FROM pg_catalog.pg_settings WHERE context = 'user' AND "
         "pg_catalog.lower(name) = ANY (pg_catalog.lower('{" +
         names + "}')::pg_catalog.text[])";
}

bool ServerDefaults::on_changed(const Answer& answer, uint64_t generation, Settings before) {
  std::lock_guard lock(mutex_);
  if (now_ && now_->fingerprint == answer.fingerprint) return false;
  now_ = answer;
  if (changes_.size() >= kChangesMax) changes_.erase(changes_.begin());
  changes_.push_back({.generation = generation, .before = std::move(before)});
  return true;
}

Settings ServerDefaults::changed_between(uint64_t since, uint64_t now) const {
  std::lock_guard lock(mutex_);
  Settings found;
  for (const Change& change : changes_) {
    if (change.generation < since || change.generation >= now) continue;
    for (const auto& [name, value] : change.before) {
      if (found.find(name) == nullptr) found.set(name, value);
    }
  }
  return found;
}

}  // namespace trunkline::pool
