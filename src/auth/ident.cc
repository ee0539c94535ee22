#include "auth/ident.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/text.h"

namespace trunkline::auth {

namespace {

constexpr std::string_view kFirstCapture = "\\1";

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

std::unique_ptr<const re2::RE2> compile_regex(const std::string& text, std::string& error) {
  re2::RE2::Options options;
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  auto regex = std::make_unique<const re2::RE2>(text, options);
  if (regex->ok()) return regex;
  error =
      fmt::format("the regular expression {} is malformed: {}", printable(text), regex->error());
  return nullptr;
}

std::expected<IdentMaps, std::vector<config::Problem>> IdentMaps::compile(
    const std::vector<config::IdentMapping>& mappings) {
  IdentMaps maps;
  std::vector<config::Problem> problems;
  for (const config::IdentMapping& mapping : mappings) {
    Line line;
    if (auto problem = compile_line(mapping, line))
      problems.push_back(std::move(*problem));
    else
      maps.lines_.push_back(std::move(line));
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return maps;
}

std::optional<config::Problem> IdentMaps::compile_line(const config::IdentMapping& from, Line& to) {
  auto problem = [&](std::string text) {
    return config::Problem{from.at, "ident", std::move(text)};
  };
  if (from.map.empty() || from.system_user.empty() || from.database_user.empty())
    return problem("a mapping needs a map name, a system user and a database user");
  if (from.database_user.starts_with('+'))
    return problem("+role is not supported: the proxy does not know the members of roles");

  to.map = from.map;
  to.system_user = from.system_user;
  to.database_user = from.database_user;
  to.any_database_user = from.database_user == "all";
  std::string error;
  if (from.system_user.starts_with('/')) {
    to.system_regex = compile_regex(from.system_user.substr(1), error);
    if (to.system_regex == nullptr) return problem(error);
  }
  if (from.database_user.starts_with('/')) {
    to.database_regex = compile_regex(from.database_user.substr(1), error);
    if (to.database_regex == nullptr) return problem(error);
  } else if (to.system_regex != nullptr && from.database_user.contains(kFirstCapture) &&
             to.system_regex->NumberOfCapturingGroups() == 0) {
    return problem(fmt::format("{} asks for a capture, but {} has none",
                               printable(from.database_user), printable(from.system_user)));
  }
  return std::nullopt;
}

bool IdentMaps::Line::allows(std::string_view system_name, std::string_view database_name) const {
  std::string expected = database_user;
  if (system_regex == nullptr) {
    if (system_name != system_user) return false;
  } else if (system_regex->NumberOfCapturingGroups() == 0) {
    if (!re2::RE2::FullMatch(piece(system_name), *system_regex)) return false;
  } else {
    re2::StringPiece capture;
    if (!re2::RE2::FullMatch(piece(system_name), *system_regex, &capture)) return false;
    if (size_t at = expected.find(kFirstCapture); at != std::string::npos)
      expected.replace(at, kFirstCapture.size(), capture.data(), capture.size());
  }
  if (any_database_user) return true;
  if (database_regex != nullptr) return re2::RE2::FullMatch(piece(database_name), *database_regex);
  return database_name == expected;
}

bool IdentMaps::has(std::string_view map) const {
  return std::ranges::any_of(lines_, [&](const Line& line) { return line.map == map; });
}

bool IdentMaps::allows(std::string_view map, std::string_view system_user,
                       std::string_view database_user) const {
  if (map.empty()) return system_user == database_user;
  return std::ranges::any_of(lines_, [&](const Line& line) {
    return line.map == map && line.allows(system_user, database_user);
  });
}

}  // namespace trunkline::auth
