#include "pool/settings.h"

#include <algorithm>

namespace trunkline::pool {

namespace {

std::string lower(std::string_view name) {
  std::string folded(name);
  for (char& each : folded) {
    if (each >= 'A' && each <= 'Z') each = static_cast<char>(each - 'A' + 'a');
  }
  return folded;
}

auto find_in(auto& entries, const std::string& name) {
  return std::ranges::lower_bound(entries, name, {}, &Settings::Entry::first);
}

}  // namespace

const std::string* Settings::find(std::string_view name) const {
  std::string folded = lower(name);
  auto found = find_in(entries_, folded);
  return found == entries_.end() || found->first != folded ? nullptr : &found->second;
}

void Settings::set(std::string_view name, std::string value) {
  std::string folded = lower(name);
  auto found = find_in(entries_, folded);
  if (found != entries_.end() && found->first == folded) {
    found->second = std::move(value);
  } else {
    entries_.emplace(found, std::move(folded), std::move(value));
  }
}

void Settings::reset(std::string_view name) {
  std::string folded = lower(name);
  auto found = find_in(entries_, folded);
  if (found != entries_.end() && found->first == folded) entries_.erase(found);
}

size_t Settings::bytes() const {
  size_t sum = 0;
  for (const auto& [name, value] : entries_) sum += name.size() + value.size();
  return sum;
}

}  // namespace trunkline::pool
