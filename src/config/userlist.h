#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"

namespace trunkline::config {

// Reads PgBouncer's auth_file: `"name" "secret"` on each line, "" for a quote in either, comments
// from ; to the end of the line, anything after the secret ignored. Pure; any thread. Bounded by
// the size of the text.
std::vector<User> parse_userlist(std::string_view text, const std::string& file,
                                 std::vector<Problem>& problems);

}  // namespace trunkline::config
