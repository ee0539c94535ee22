#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <re2/re2.h>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"

namespace trunkline::auth {

// RE2 over bytes: names are whatever the client sent, and a byte that is not UTF-8 must not slip
// past a rule. Always a full match; nullptr and `error` when the expression is malformed.
std::unique_ptr<const re2::RE2> compile_regex(const std::string& text, std::string& error);

// Which operating system users and certificate names may be which database users, as pg_ident.conf
// says (PostgreSQL documentation, "User Name Maps"). Immutable, part of the configuration snapshot,
// any thread.
class IdentMaps {
 public:
  static std::expected<IdentMaps, std::vector<config::Problem>> compile(
      const std::vector<config::IdentMapping>& mappings);

  bool has(std::string_view map) const;
  // Without a map the two names must be equal.
  bool allows(std::string_view map, std::string_view system_user,
              std::string_view database_user) const;

 private:
  struct Line {
    std::string map;
    std::string system_user;
    std::unique_ptr<const re2::RE2> system_regex;  // when written /regex
    std::string database_user;                     // with \1 for the first capture of system_regex
    std::unique_ptr<const re2::RE2> database_regex;
    bool any_database_user = false;

    bool allows(std::string_view system_name, std::string_view database_name) const;
  };

  static std::optional<config::Problem> compile_line(const config::IdentMapping& from, Line& to);

  std::vector<Line> lines_;
};

}  // namespace trunkline::auth
