#include "config/reachable.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/text.h"

namespace trunkline::config {

namespace {

using Patterns = std::vector<Pattern>;

// The conditions on names. Host names are compared without case, as the router does.
struct NameKey {
  Patterns Match::* patterns;
  bool ignores_case;
};
constexpr std::array kNameKeys = {NameKey{&Match::sni, true}, NameKey{&Match::user, false},
                                  NameKey{&Match::database, false},
                                  NameKey{&Match::application_name, false}};

std::string comparable(const Pattern& pattern, bool ignores_case) {
  bool folds = ignores_case && pattern.kind != Pattern::Kind::regex;
  return folds ? to_lower(pattern.text) : pattern.text;
}

// A wildcard also takes what another wildcard may stand for: a star takes a star.
bool covers(const Pattern& wide, const Pattern& narrow, bool ignores_case) {
  std::string wide_text = comparable(wide, ignores_case);
  std::string narrow_text = comparable(narrow, ignores_case);
  if (wide.kind == narrow.kind && wide_text == narrow_text) return true;
  if (wide.kind != Pattern::Kind::wildcard) return false;
  if (narrow.kind == Pattern::Kind::regex) return wide_text == "*";
  return matches_wildcard(wide_text, narrow_text);
}

bool covers(const Patterns& wide, const Patterns& narrow, bool ignores_case) {
  if (wide.empty()) return true;
  return !narrow.empty() && std::ranges::all_of(narrow, [&](const Pattern& each) {
    return std::ranges::any_of(
        wide, [&](const Pattern& other) { return covers(other, each, ignores_case); });
  });
}

bool covers(const std::vector<IpNetwork>& wide, const std::vector<IpNetwork>& narrow) {
  if (wide.empty()) return true;
  return !narrow.empty() && std::ranges::all_of(narrow, [&](const IpNetwork& each) {
    return std::ranges::any_of(wide, [&](const IpNetwork& other) {
      return other.prefix_bits() <= each.prefix_bits() && other.contains(each.address());
    });
  });
}

bool matches_all(const Match& match) {
  return covers(match, Match{});
}

// Earlier routes by what a later one must have in common with them to be covered: one exact name,
// where they have a condition that lists nothing else. All others are looked at each time, so only
// so many of them.
class Earlier {
 public:
  explicit Earlier(std::span<const Route> routes) : routes_(routes) {}

  void add(size_t route) {
    const Match& match = routes_[route].match;
    for (size_t key = 0; key < kNameKeys.size(); ++key) {
      const Patterns& patterns = match.*kNameKeys[key].patterns;
      if (patterns.empty() || !std::ranges::all_of(patterns, is_exact)) continue;
      for (const Pattern& pattern : patterns) by_name_[key][name(key, pattern)].push_back(route);
      return;
    }
    if (others_.size() < kOthersMax) others_.push_back(route);
  }

  std::optional<size_t> first_that_covers(const Match& match) const {
    std::optional<size_t> first = first_of(others_, match);
    for (size_t key = 0; key < kNameKeys.size(); ++key) {
      const Patterns& patterns = match.*kNameKeys[key].patterns;
      if (patterns.empty() || !is_exact(patterns.front())) continue;
      auto found = by_name_[key].find(name(key, patterns.front()));
      if (found == by_name_[key].end()) continue;
      std::optional<size_t> by_name = first_of(found->second, match);
      if (by_name && (!first || *by_name < *first)) first = by_name;
    }
    return first;
  }

 private:
  static constexpr size_t kOthersMax = 500;

  static bool is_exact(const Pattern& pattern) { return pattern.kind == Pattern::Kind::exact; }
  static std::string name(size_t key, const Pattern& pattern) {
    return comparable(pattern, kNameKeys[key].ignores_case);
  }

  std::optional<size_t> first_of(const std::vector<size_t>& among, const Match& match) const {
    auto found = std::ranges::find_if(
        among, [&](size_t route) { return covers(routes_[route].match, match); });
    return found == among.end() ? std::nullopt : std::optional(*found);
  }

  std::span<const Route> routes_;
  std::array<std::unordered_map<std::string, std::vector<size_t>>, kNameKeys.size()> by_name_;
  std::vector<size_t> others_;
};

}  // namespace

bool covers(const Match& wide, const Match& narrow) {
  bool names = std::ranges::all_of(kNameKeys, [&](const NameKey& key) {
    return covers(wide.*key.patterns, narrow.*key.patterns, key.ignores_case);
  });
  return names && covers(wide.source, narrow.source) && (!wide.tls || wide.tls == narrow.tls);
}

std::vector<Unreachable> find_unreachable(std::span<const Route> routes) {
  std::vector<Unreachable> found;
  Earlier earlier(routes);
  for (size_t route = 0; route < routes.size(); ++route) {
    if (auto by = earlier.first_that_covers(routes[route].match)) {
      found.push_back({.route = route, .taken_by = *by});
      if (matches_all(routes[*by].match)) break;
    }
    earlier.add(route);
  }
  return found;
}

}  // namespace trunkline::config
