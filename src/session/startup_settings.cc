#include "session/startup_settings.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace trunkline::session {

namespace {

// As pg_split_opts: words between white space, a backslash takes the next character as it is.
std::vector<std::string> split_options(std::string_view options) {
  std::vector<std::string> words;
  bool in_word = false;
  for (size_t i = 0; i < options.size(); ++i) {
    bool is_space = std::string_view(" \t\n\v\f\r").contains(options[i]);
    if (is_space) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (options[i] == '\\' && i + 1 < options.size()) ++i;
    words.back() += options[i];
  }
  return words;
}

// "name=value", where `-` in the name stands for `_` (ParseLongOption).
bool add(pool::Settings& settings, std::string_view assignment) {
  size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  std::string name(assignment.substr(0, equals));
  std::ranges::replace(name, '-', '_');
  settings.set(name, std::string(assignment.substr(equals + 1)));
  return true;
}

bool add_options(pool::Settings& settings, std::string_view options) {
  std::vector<std::string> words = split_options(options);
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (word.starts_with("--")) {
      if (!add(settings, word.substr(2))) return false;
    } else if (word.starts_with("-c")) {
      if (word.size() == 2 && i + 1 == words.size()) return false;
      std::string_view assignment = word.size() > 2 ? word.substr(2) : words[++i];
      if (!add(settings, assignment)) return false;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<pool::Settings> startup_settings(const wire::StartupPacket& packet) {
  pool::Settings settings;
  if (packet.options && !add_options(settings, *packet.options)) return std::nullopt;
  for (const auto& [name, value] : packet.parameters) settings.set(name, value);
  return settings;
}

}  // namespace trunkline::session
