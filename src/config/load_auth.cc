#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "config/hba_file.h"
#include "config/ident_file.h"
#include "config/sections.h"
#include "config/userlist.h"

namespace trunkline::config {

namespace {

enum class Keywords : uint8_t { of_databases, of_users };

std::optional<HbaName> load_hba_name(const Value& value, Keywords keywords) {
  auto pattern = load_pattern(value);
  if (!pattern) return std::nullopt;
  const std::string& text = pattern->text;
  if (pattern->kind == Pattern::Kind::regex) return HbaName{HbaName::Kind::regex, text};
  if (pattern->kind == Pattern::Kind::wildcard) {
    value.error("found " + value.found() +
                "; allowed: a name, all, or a regular expression between two slashes");
    return std::nullopt;
  }
  if (text.starts_with('+') || text == "samerole") {
    value.error("found " + value.found() + "; the proxy does not know who is in which role");
    return std::nullopt;
  }
  if (text == "all") return HbaName{HbaName::Kind::all, ""};
  if (keywords == Keywords::of_databases) {
    if (text == "sameuser") return HbaName{HbaName::Kind::same_user, ""};
    if (text == "replication") return HbaName{HbaName::Kind::replication, ""};
  }
  return HbaName{HbaName::Kind::exact, text};
}

void load_hba_names(const Mapping& mapping, std::string_view name, Keywords keywords,
                    std::vector<HbaName>& to) {
  auto value = mapping.find(name);
  if (!value) return;
  for (const Value& item : value->one_or_many()) {
    if (auto one = load_hba_name(item, keywords)) to.push_back(std::move(*one));
  }
}

void load_client_certificate(const Value& value, AuthenticationRule& rule) {
  auto text = value.text();
  if (!text) return;
  if (*text != "verify-ca" && *text != "verify-full") {
    value.error("found " + value.found() + "; allowed: verify-ca or verify-full");
    return;
  }
  rule.client_certificate_required = true;
  rule.client_certificate_names_user = *text == "verify-full";
}

// Reads the file that `value` names; nullopt is reported.
std::optional<std::string> read_named_file(const Value& value, size_t bytes_max,
                                           std::string& path) {
  path = value.path().value_or("");
  if (path.empty()) return std::nullopt;
  auto content = value.reader().environment().read_file(path, bytes_max);
  if (content) return std::move(*content);
  value.error("cannot read " + printable(path) + ": " + content.error());
  return std::nullopt;
}

// Problems inside a named file stand under the key that names it.
void report(const Value& value, std::vector<Problem> problems) {
  for (Problem& problem : problems) {
    value.reader().error(std::move(problem.at), value.key(), std::move(problem.text));
  }
}

}  // namespace

std::optional<std::string> load_name(const Value& value) {
  auto name = value.text();
  if (name && name->size() > kNameBytesMax) {
    value.error("a name has at most " + std::to_string(kNameBytesMax) + " bytes");
    return std::nullopt;
  }
  return name;
}

void load_users(const Value& value, Config& config) {
  for (const Value& item : value.list()) {
    Mapping mapping(item, "users");
    User user{.at = item.at(), .name = {}, .password = {}};
    if (auto name = mapping.require("name")) user.name = load_name(*name).value_or("");
    if (auto password = mapping.read_secret("password")) user.password = std::move(*password);
    if (!user.name.empty()) config.users.push_back(std::move(user));
  }
}

void load_users_file(const Value& value, Config& config) {
  std::string path;
  auto text = read_named_file(value, kUserlistBytesMax, path);
  if (!text) return;
  std::vector<Problem> problems;
  auto users = parse_userlist(*text, path, problems);
  wipe(*text);
  report(value, std::move(problems));
  if (config.users.empty()) {
    config.users = std::move(users);
  } else {
    std::ranges::move(users, std::back_inserter(config.users));
  }
}

void load_authentication(const Value& value, Config& config) {
  for (const Value& item : value.list()) {
    Mapping mapping(item, "authentication");
    AuthenticationRule rule{.at = item.at()};
    mapping.read("type", rule.type);
    load_hba_names(mapping, "database", Keywords::of_databases, rule.databases);
    load_hba_names(mapping, "user", Keywords::of_users, rule.users);
    if (auto source = mapping.find("source")) {
      for (const Value& network : source->one_or_many()) {
        if (auto parsed = network.network()) rule.sources.push_back(*parsed);
      }
    }
    mapping.require("method");
    mapping.read("method", rule.method);
    mapping.read("map", rule.map);
    if (auto certificate = mapping.find("client_certificate")) {
      load_client_certificate(*certificate, rule);
    }
    if (std::string wrong = check_rule(rule); !wrong.empty()) item.error(std::move(wrong));
    config.authentication.push_back(std::move(rule));
  }
}

void load_hba_file(const Value& value, Config& config) {
  std::string path;
  auto text = read_named_file(value, kHbaBytesMax, path);
  if (!text) return;
  std::vector<Problem> problems;
  config.authentication = parse_hba(*text, path, problems);
  bool empty = config.authentication.empty() && problems.empty();
  report(value, std::move(problems));
  // PostgreSQL lets nobody in then; our default would let users in by password.
  if (empty) value.error("the file " + printable(path) + " has no rule");
}

void load_ident(const Value& value, Config& config) {
  // As in the file format, but for the closing slash that all expressions of this file have.
  auto name_or_regex = [](const Value& item) -> std::string {
    auto pattern = load_pattern(item);
    if (!pattern) return {};
    return pattern->kind == Pattern::Kind::regex ? "/" + pattern->text : pattern->text;
  };
  for (const Value& item : value.list()) {
    Mapping mapping(item, "ident");
    IdentMapping entry{.at = item.at(), .map = {}, .system_user = {}, .database_user = {}};
    mapping.require("map");
    mapping.read("map", entry.map);
    if (auto system = mapping.require("system_user")) entry.system_user = name_or_regex(*system);
    if (auto user = mapping.require("database_user")) {
      entry.database_user = name_or_regex(*user);
      if (entry.database_user.starts_with('+')) {
        user->error("found " + user->found() + "; the proxy does not know who is in which role");
      }
      bool captured = !entry.database_user.starts_with('/') &&
                      entry.database_user.find("\\1") != std::string::npos;
      if (captured && !entry.system_user.empty() && !entry.system_user.starts_with('/')) {
        user->error("\\1 needs a regular expression with a group as `system_user`");
      }
    }
    config.ident.push_back(std::move(entry));
  }
}

void load_ident_file(const Value& value, Config& config) {
  std::string path;
  auto text = read_named_file(value, kHbaBytesMax, path);
  if (!text) return;
  std::vector<Problem> problems;
  std::ranges::move(parse_ident(*text, path, problems), std::back_inserter(config.ident));
  report(value, std::move(problems));
}

}  // namespace trunkline::config
