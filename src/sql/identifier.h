#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sql/lexer.h"

namespace trunkline::sql {

// NAMEDATALEN - 1: the server cuts longer names.
inline constexpr size_t kNameBytesMax = 63;

// A name as PostgreSQL keeps it, in the client's encoding.
struct Name {
  std::string text;
  // False where the server's encoding, which is not known here, may decide what it is: a name that
  // is cut, or that an escape gives letters beyond ASCII.
  bool is_certain = true;

  bool empty() const { return text.empty(); }
  bool operator==(const Name&) const = default;
};

// The length of the character that `text`, which is not empty, begins with.
size_t character_bytes(Encoding encoding, std::string_view text);

// ASCII letters in lower case; not the later bytes of characters that look like them.
void append_lower(std::string& out, std::string_view text, Encoding encoding);

// Of a word or a quoted identifier as the lexer gave it. `escape` is of U&"…" UESCAPE '…'.
Name fold_identifier(std::string_view token, Syntax syntax, char escape = '\\');

// A setting's name, in either case, that may be written anywhere as it is: within quotes, in an
// array.
bool is_plain_setting_name(std::string_view name);

// What a string token is worth, when that is certain: not of bits, not if it names characters
// beyond ASCII by escapes, and not if PostgreSQL refuses it.
std::optional<std::string> string_value(std::string_view token, Syntax syntax, char escape = '\\');

}  // namespace trunkline::sql
