#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "config/model.h"
#include "route/facts.h"

namespace re2 {
class RE2;
}

namespace trunkline::route {

// In the order in which captures are numbered.
enum class Key : uint8_t { sni, user, database, application_name, source, tls };
inline constexpr size_t kNameKeys = 4;  // those whose value is a text
std::string_view key_name(Key key);

// `$0` to `$9`. More groups than nine are allowed in a regular expression, but have no name.
inline constexpr size_t kCapturesMax = 10;
using Captures = std::array<std::string_view, kCapturesMax>;

// Facts made ready for comparison: SNI in lower case, in a buffer of its own so that nothing is
// allocated. Captures point into it and into the facts.
class Subject {
 public:
  explicit Subject(const Facts& facts);
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  const std::optional<std::string_view>& text(Key key) const {
    return texts_[static_cast<size_t>(key)];
  }
  const std::optional<IpAddress>& source() const { return source_; }
  bool tls() const { return tls_; }

 private:
  // RFC 6066 section 3: a host name, so at most 255 bytes; a longer one is no name of ours.
  static constexpr size_t kSniBytesMax = 255;

  std::array<char, kSniBytesMax> sni_;
  std::array<std::optional<std::string_view>, kNameKeys> texts_;
  std::optional<IpAddress> source_;
  bool tls_;
};

// One value of a match. A regular expression sees bytes (Latin-1, `.` also takes a line end), so
// that no name can slip past a route by being invalid UTF-8.
class NamePattern {
 public:
  // `ignore_case` is for SNI. An invalid regular expression gives RE2's own message.
  static std::expected<NamePattern, std::string> compile(const config::Pattern& pattern,
                                                         bool ignore_case);

  // Fills `groups` from its first on, as far as both reach.
  bool matches(std::string_view value, std::span<std::string_view> groups) const;

  size_t group_count() const { return group_count_; }
  bool is_regex() const { return regex_ != nullptr; }
  std::string to_string() const;  // as in the file

 private:
  config::Pattern::Kind kind_ = config::Pattern::Kind::exact;
  std::string text_;
  std::shared_ptr<const re2::RE2> regex_;
  size_t group_count_ = 0;
};

// The `match` of one route. Immutable after `compile`; any thread.
class Matcher {
 public:
  static std::expected<Matcher, std::vector<config::Problem>> compile(const config::Match& match,
                                                                      const config::Location& at,
                                                                      const std::string& key);

  // The first key that does not match; nullopt when all do, and then `captures` is filled.
  // Allocates nothing but what RE2 does.
  std::optional<Key> mismatch(const Subject& subject, Captures& captures) const;

  bool matches_all() const { return conditions_ == 0; }
  bool has(Key key) const { return (conditions_ & bit(key)) != 0; }
  // Why `$number` cannot be used with this match; empty when it can.
  std::string capture_problem(size_t number) const;
  std::vector<std::string> values(Key key) const;  // as in the file
  std::string describe(Key key) const;             // "alice, svc_*"

 private:
  struct NameCondition {
    std::vector<NamePattern> any_of;
    size_t first_capture = 1;
    size_t capture_count = 0;
  };

  static constexpr unsigned bit(Key key) { return 1U << static_cast<unsigned>(key); }
  bool name_matches(Key key, const Subject& subject, Captures& captures) const;
  bool source_matches(const Subject& subject) const;
  void number_captures();

  unsigned conditions_ = 0;  // bits of Key
  std::array<NameCondition, kNameKeys> names_;
  std::vector<IpNetwork> sources_;
  bool tls_ = false;
  std::optional<Key> whole_;  // the key whose whole value is `$0`
};

}  // namespace trunkline::route
