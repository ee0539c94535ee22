#include "config/ident_file.h"

#include <algorithm>

#include "base/text.h"
#include "config/auth_tokens.h"
#include "config/loader.h"

namespace trunkline::config {

namespace {

// What is wrong with the database user's column; empty when nothing is.
std::string check_database_user(const AuthToken& token) {
  if (token.text.starts_with('+')) return "the proxy does not know who is in which role";
  // The model has no quotes: there, `all` is everybody.
  if (token.quoted && token.text == "all") return "a user of this name cannot be mapped to";
  return {};
}

}  // namespace

std::vector<IdentMapping> parse_ident(std::string_view text, const std::string& file,
                                      std::vector<Problem>& problems) {
  std::vector<IdentMapping> mappings;
  for (const AuthLine& line : read_auth_lines(text, file, problems)) {
    if (problems.size() >= kProblemsMax) break;
    auto wrong = [&](const AuthToken& at, std::string why) {
      problems.push_back({{file, line.line, at.column}, "", std::move(why)});
    };
    const auto& fields = line.fields;
    const AuthToken& last = fields.back().back();
    if (fields.size() != 3) {
      wrong(last, "a line has a map's name, a system user and a database user; found " +
                      std::to_string(fields.size()) + " fields");
      continue;
    }
    auto list = std::ranges::find_if(fields, [](const auto& field) { return field.size() > 1; });
    if (list != fields.end()) {
      wrong((*list)[1], "a list is not allowed here");
      continue;
    }
    auto empty = std::ranges::find_if(fields, [](const auto& f) { return f[0].text.empty(); });
    if (empty != fields.end()) {
      wrong((*empty)[0], "a name must not be empty");
      continue;
    }
    if (auto why = check_database_user(last); !why.empty()) {
      wrong(last, "found `" + printable(last.text) + "`; " + why);
      continue;
    }
    std::string system_user = fields[1][0].text;
    if (system_user.starts_with('/')) {
      system_user = "/" + whole_match_of_search(system_user.substr(1));
    } else if (!last.text.starts_with('/') && last.text.find("\\1") != std::string::npos) {
      wrong(last, "\\1 needs a regular expression with a group as the system user");
      continue;
    }
    std::string database_user = last.text;
    if (database_user.starts_with('/')) {
      database_user = "/" + whole_match_of_search(database_user.substr(1));
    }
    mappings.push_back({{file, line.line, fields[0][0].column},
                        fields[0][0].text,
                        std::move(system_user),
                        std::move(database_user)});
  }
  return mappings;
}

}  // namespace trunkline::config
