#include "route/name.h"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace trunkline::route {

namespace {

// What would make two different matches look alike, or a line of the log two.
bool needs_quotes(std::string_view value) {
  if (value.empty()) return true;
  while (!value.empty()) {
    size_t sequence = utf8_sequence(value);
    auto byte = static_cast<uint8_t>(value[0]);
    bool is_c1_control = sequence == 2 && byte == 0xc2 && static_cast<uint8_t>(value[1]) < 0xa0;
    if (sequence == 0 || is_c1_control || byte <= ' ' || byte == 0x7f) return true;
    if (byte == '"' || byte == ',') return true;
    value.remove_prefix(sequence);
  }
  return false;
}

std::string quoted_where_needed(const std::string& value) {
  if (!needs_quotes(value)) return value;
  std::string text = "\"";
  for (char c : printable(value, std::string::npos)) {
    if (c == '"') text += '\\';
    text += c;
  }
  return text + '"';
}

// FNV-1a, folded: the same in every process and version, which labels of metrics must be.
uint32_t short_hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

std::string cut(std::string list) {
  if (list.size() <= kListBytesMax) return list;
  size_t end = 0;
  while (end < kListBytesMax) {
    size_t next = end + std::max<size_t>(utf8_sequence(std::string_view(list).substr(end)), 1);
    if (next > kListBytesMax) break;
    end = next;
  }
  // Whole values where at least one fits.
  size_t comma = list.rfind(',', end - 1);
  if (comma != std::string::npos) end = comma + 1;
  return fmt::format("{}...~{:08x}", std::string_view(list).substr(0, end), short_hash(list));
}

std::string list_of(const Matcher& matcher, Key key) {
  std::string list;
  for (const std::string& value : matcher.values(key)) {
    if (!list.empty()) list += ',';
    list += quoted_where_needed(value);
  }
  return list;
}

std::string join_keys(const Matcher& matcher, std::string (*shape)(std::string)) {
  std::string text;
  for (size_t i = 0; i <= static_cast<size_t>(Key::tls); ++i) {
    auto key = static_cast<Key>(i);
    if (!matcher.has(key)) continue;
    if (!text.empty()) text += ' ';
    text += fmt::format("{}={}", key_name(key), shape(list_of(matcher, key)));
  }
  return text.empty() ? "all" : text;
}

}  // namespace

std::string match_text(const Matcher& matcher) {
  return join_keys(matcher, [](std::string list) { return list; });
}

std::string route_name(const config::Route& route, const Matcher& matcher) {
  if (!route.short_form.empty()) return cut(quoted_where_needed(route.short_form));
  return join_keys(matcher, cut);
}

std::string UniqueNames::give(std::string name) {
  size_t& number = given_[name];
  std::string unique = ++number == 1 ? name : fmt::format("{} #{}", name, number);
  // A name may itself look like a numbered one.
  while (number > 1 && !given_.try_emplace(unique, 1).second) {
    unique = fmt::format("{} #{}", name, ++number);
  }
  return unique;
}

}  // namespace trunkline::route
