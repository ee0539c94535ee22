#include "config/userlist.h"

#include <optional>

#include "config/loader.h"
#include "config/sections.h"

namespace trunkline::config {

namespace {

// The quoted text at the front of `rest`, which is taken off; nullopt when there is none or its
// quote stays open.
std::optional<std::string> take_quoted(std::string_view& rest) {
  size_t start = rest.find_first_not_of(" \t");
  if (start == std::string_view::npos || rest[start] != '"') return std::nullopt;
  std::string text;
  for (size_t i = start + 1; i < rest.size(); ++i) {
    if (rest[i] != '"') {
      text += rest[i];
    } else if (i + 1 < rest.size() && rest[i + 1] == '"') {
      text += rest[i++];
    } else {
      rest.remove_prefix(i + 1);
      return text;
    }
  }
  wipe(text);
  return std::nullopt;
}

}  // namespace

std::vector<User> parse_userlist(std::string_view text, const std::string& file,
                                 std::vector<Problem>& problems) {
  std::vector<User> users;
  int line_number = 0;
  while (!text.empty() && problems.size() < kProblemsMax) {
    ++line_number;
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);

    size_t start = line.find_first_not_of(" \t\r");
    if (start == std::string_view::npos || line[start] == ';') continue;
    Location at{file, line_number, static_cast<int>(start) + 1};
    // No text of the line goes into a message: any part of it may be a secret.
    auto name = take_quoted(line);
    auto secret = name ? take_quoted(line) : std::nullopt;
    std::string wrong;
    if (!secret) {
      wrong = "a line must read \"name\" \"secret\", both in double quotes";
    } else if (name->empty() || name->size() > kNameBytesMax) {
      wrong = "the name of a user has 1 to " + std::to_string(kNameBytesMax) + " bytes";
    } else if (name->find('\0') != std::string::npos || secret->find('\0') != std::string::npos) {
      wrong = "a zero byte is not allowed here";
    }
    if (wrong.empty()) {
      users.push_back({std::move(at), std::move(*name), Secret(*secret)});
    } else {
      problems.push_back({std::move(at), "", std::move(wrong)});
    }
    if (secret) wipe(*secret);
  }
  return users;
}

}  // namespace trunkline::config
