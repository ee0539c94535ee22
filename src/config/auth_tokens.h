#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"

// The common form of pg_hba.conf and pg_ident.conf (PostgreSQL documentation, 21.1): records of
// lines, fields of blanks, lists of commas, comments, quotes. Pure; any thread.
namespace trunkline::config {

struct AuthToken {
  std::string text;
  bool quoted = false;  // starts with a quote: keywords lose their meaning
  int column = 0;
  bool is(std::string_view keyword) const { return !quoted && text == keyword; }
};

struct AuthLine {
  int line = 0;
  std::vector<std::vector<AuthToken>> fields;  // each has at least one token
};

// Lines with at least one field. Unterminated quotes, zero bytes and include directives are added
// to `problems`, and their lines left out.
std::vector<AuthLine> read_auth_lines(std::string_view text, const std::string& file,
                                      std::vector<Problem>& problems);

// PostgreSQL searches for an expression anywhere in the name; ours match a whole name. The number
// of the groups stays.
std::string whole_match_of_search(std::string_view expression);

}  // namespace trunkline::config
