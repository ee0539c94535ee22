#include "route/matcher.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>
#include <utility>

#include "base/text.h"

namespace trunkline::route {

namespace {

constexpr std::array<Key, kNameKeys> kNames = {Key::sni, Key::user, Key::database,
                                               Key::application_name};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

const std::vector<config::Pattern>& patterns_of(const config::Match& match, Key key) {
  switch (key) {
    case Key::sni:
      return match.sni;
    case Key::user:
      return match.user;
    case Key::database:
      return match.database;
    default:
      return match.application_name;
  }
}

}  // namespace

std::string_view key_name(Key key) {
  static constexpr std::string_view kKeyNames[] = {"sni",    "user", "database", "application_name",
                                                   "source", "tls"};
  return kKeyNames[static_cast<size_t>(key)];
}

Subject::Subject(const Facts& facts)
    : texts_{std::nullopt, facts.user, facts.database, facts.application_name},
      source_(facts.source),
      tls_(facts.tls) {
  if (!facts.sni || facts.sni->size() > sni_.size()) return;
  std::ranges::transform(*facts.sni, sni_.begin(), lower);
  texts_[static_cast<size_t>(Key::sni)] = std::string_view(sni_.data(), facts.sni->size());
}

std::expected<NamePattern, std::string> NamePattern::compile(const config::Pattern& pattern,
                                                             bool ignore_case) {
  NamePattern compiled;
  compiled.kind_ = pattern.kind;
  compiled.text_ = pattern.text;
  if (pattern.kind == config::Pattern::Kind::regex) {
    re2::RE2::Options options(re2::RE2::Latin1);
    options.set_log_errors(false);
    options.set_dot_nl(true);
    options.set_case_sensitive(!ignore_case);
    compiled.regex_ = std::make_shared<const re2::RE2>(pattern.text, options);
    if (!compiled.regex_->ok()) return std::unexpected(compiled.regex_->error());
    compiled.group_count_ = static_cast<size_t>(compiled.regex_->NumberOfCapturingGroups());
  } else if (ignore_case) {
    std::ranges::transform(compiled.text_, compiled.text_.begin(), lower);
  }
  return compiled;
}

bool NamePattern::matches(std::string_view value, std::span<std::string_view> groups) const {
  if (kind_ == config::Pattern::Kind::exact) return value == text_;
  if (kind_ == config::Pattern::Kind::wildcard) return matches_wildcard(text_, value);
  std::array<re2::StringPiece, kCapturesMax> found;
  size_t wanted = std::min({groups.size(), group_count_, kCapturesMax - 1});
  re2::StringPiece text(value.data(), value.size());
  if (!regex_->Match(text, 0, text.size(), re2::RE2::ANCHOR_BOTH, found.data(),
                     static_cast<int>(wanted + 1))) {
    return false;
  }
  for (size_t i = 0; i < wanted; ++i) groups[i] = {found[i + 1].data(), found[i + 1].size()};
  return true;
}

std::string NamePattern::to_string() const {
  return is_regex() ? fmt::format("/{}/", text_) : text_;
}

std::expected<Matcher, std::vector<config::Problem>> Matcher::compile(const config::Match& match,
                                                                      const config::Location& at,
                                                                      const std::string& key) {
  Matcher matcher;
  std::vector<config::Problem> problems;
  for (Key name : kNames) {
    const std::vector<config::Pattern>& patterns = patterns_of(match, name);
    for (const config::Pattern& pattern : patterns) {
      auto compiled = NamePattern::compile(pattern, name == Key::sni);
      if (compiled) {
        matcher.names_[static_cast<size_t>(name)].any_of.push_back(std::move(*compiled));
      } else {
        problems.push_back(
            {at, fmt::format("{}.match.{}", key, key_name(name)),
             fmt::format("/{}/ is not a regular expression: {}", pattern.text, compiled.error())});
      }
    }
    if (!patterns.empty()) matcher.conditions_ |= bit(name);
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));

  matcher.sources_ = match.source;
  if (!match.source.empty()) matcher.conditions_ |= bit(Key::source);
  matcher.tls_ = match.tls.value_or(false);
  if (match.tls) matcher.conditions_ |= bit(Key::tls);
  matcher.number_captures();
  return matcher;
}

// A key takes as many numbers as its regular expression with the most groups, whichever of its
// patterns will match: numbers are known before any client comes.
void Matcher::number_captures() {
  size_t next = 1;
  for (Key name : kNames) {
    NameCondition& condition = names_[static_cast<size_t>(name)];
    condition.first_capture = next;
    for (const NamePattern& pattern : condition.any_of) {
      if (pattern.is_regex() && !whole_) whole_ = name;
      condition.capture_count = std::max(condition.capture_count, pattern.group_count());
    }
    next += condition.capture_count;
  }
}

std::optional<Key> Matcher::mismatch(const Subject& subject, Captures& captures) const {
  // Cheap comparisons first.
  if (has(Key::tls) && subject.tls() != tls_) return Key::tls;
  if (has(Key::source) && !source_matches(subject)) return Key::source;
  captures.fill({});
  for (Key name : kNames) {
    if (has(name) && !name_matches(name, subject, captures)) return name;
  }
  if (whole_) captures[0] = *subject.text(*whole_);
  return std::nullopt;
}

bool Matcher::source_matches(const Subject& subject) const {
  if (!subject.source()) return false;
  return std::ranges::any_of(
      sources_, [&](const IpNetwork& network) { return network.contains(*subject.source()); });
}

bool Matcher::name_matches(Key key, const Subject& subject, Captures& captures) const {
  const std::optional<std::string_view>& value = subject.text(key);
  if (!value) return false;
  const NameCondition& condition = names_[static_cast<size_t>(key)];
  size_t first = std::min(condition.first_capture, kCapturesMax);
  std::span<std::string_view> groups = std::span(captures).subspan(first);
  return std::ranges::any_of(condition.any_of, [&](const NamePattern& pattern) {
    return pattern.matches(*value, groups);
  });
}

std::string Matcher::capture_problem(size_t number) const {
  if (number == 0) {
    return whole_ ? "" : "$0 needs a regular expression in `match`, and there is none";
  }
  for (Key name : kNames) {
    const NameCondition& condition = names_[static_cast<size_t>(name)];
    if (number < condition.first_capture ||
        number >= condition.first_capture + condition.capture_count) {
      continue;
    }
    for (const NamePattern& pattern : condition.any_of) {
      if (condition.first_capture + pattern.group_count() > number) continue;
      return fmt::format("${} would have no value when {} matches {}, which has no such group",
                         number, key_name(name), pattern.to_string());
    }
    return "";
  }
  size_t groups = 0;
  for (const NameCondition& condition : names_) groups += condition.capture_count;
  return fmt::format("${} is out of range: the regular expressions of `match` have {} group{}",
                     number, groups, groups == 1 ? "" : "s");
}

std::vector<std::string> Matcher::values(Key key) const {
  std::vector<std::string> values;
  if (!has(key)) return values;
  if (key == Key::tls) {
    values.emplace_back(tls_ ? "true" : "false");
  } else if (key == Key::source) {
    for (const IpNetwork& network : sources_) values.push_back(network.to_string());
  } else {
    for (const NamePattern& pattern : names_[static_cast<size_t>(key)].any_of) {
      values.push_back(pattern.to_string());
    }
  }
  return values;
}

std::string Matcher::describe(Key key) const {
  return fmt::format("{}", fmt::join(values(key), ", "));
}

}  // namespace trunkline::route
