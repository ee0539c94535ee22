#include "sql/identifier.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/text.h"

namespace trunkline::sql {

namespace {

// Every server encoding needs at most this many bytes for what takes one in another encoding.
constexpr size_t kGrowthMax = 3;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A number of up to `most` digits at the front of `text`, which loses them.
struct Digits {
  uint32_t value = 0;
  size_t count = 0;
};
Digits take_digits(std::string_view& text, int base, size_t most) {
  Digits digits;
  while (digits.count < most && !text.empty()) {
    int digit = hex_digit(text.front());
    if (digit < 0 || digit >= base) break;
    digits.value = digits.value * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit);
    ++digits.count;
    text.remove_prefix(1);
  }
  return digits;
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    size_t length = utf8_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// As many whole characters as fit.
size_t clipped_bytes(std::string_view text, Encoding encoding, bool utf8) {
  size_t end = 0;
  while (end < text.size()) {
    std::string_view rest = text.substr(end);
    size_t next = end + (utf8 ? utf8_sequence(rest) : character_bytes(encoding, rest));
    if (next > kNameBytesMax) break;
    end = next;
  }
  return end;
}

void clip(Name& name, Encoding encoding) {
  bool ascii = std::ranges::all_of(name.text, [](char c) { return (c & '\x80') == 0; });
  if (ascii) {
    if (name.text.size() > kNameBytesMax) name.text.resize(kNameBytesMax);
    return;
  }
  bool utf8 = encoding == Encoding::ascii_safe && is_valid_utf8(name.text);
  if (name.text.size() > (utf8 ? kNameBytesMax : kNameBytesMax / kGrowthMax)) {
    name.is_certain = false;
  }
  if (name.text.size() > kNameBytesMax) {
    name.text.resize(clipped_bytes(name.text, encoding, utf8));
  }
}

// Walks what stands between two quotes by characters, and calls `escape` with the rest behind a
// backslash (which takes what belongs to the escape and returns whether it could be followed).
template <typename Escape>
bool walk(std::string_view inner, char quote, char escaping, Encoding encoding, std::string& out,
          Escape escape) {
  while (!inner.empty()) {
    size_t length = std::min(character_bytes(encoding, inner), inner.size());
    char c = inner.front();
    if (length == 1 && c == escaping && escaping != '\0') {
      inner.remove_prefix(1);
      if (!escape(inner, out)) return false;
      continue;
    }
    if (length == 1 && c == quote) length = 2;  // doubled
    out += inner.substr(0, length == 2 && c == quote ? 1 : length);
    inner.remove_prefix(std::min(length, inner.size()));
  }
  return true;
}

// Only what is ASCII: the rest depends on the server's encoding.
bool append_code(std::string& out, uint32_t code) {
  if (code == 0 || code >= 0x80) return false;
  out += static_cast<char>(code);
  return true;
}

// E'…' (documentation 4.1.2.2).
bool c_escape(std::string_view& rest, std::string& out) {
  if (rest.empty()) return false;
  char c = rest.front();
  if (c >= '0' && c <= '7') return append_code(out, take_digits(rest, 8, 3).value);
  rest.remove_prefix(1);
  switch (c) {
    case 'b':
      out += '\b';
      return true;
    case 'f':
      out += '\f';
      return true;
    case 'n':
      out += '\n';
      return true;
    case 'r':
      out += '\r';
      return true;
    case 't':
      out += '\t';
      return true;
    case 'v':  // a tab since PostgreSQL 16, the letter before
      return false;
    case 'x': {
      Digits digits = take_digits(rest, 16, 2);
      if (digits.count > 0) return append_code(out, digits.value);
      out += 'x';
      return true;
    }
    case 'u':
    case 'U': {
      size_t wanted = c == 'u' ? 4 : 8;
      Digits digits = take_digits(rest, 16, wanted);
      return digits.count == wanted && append_code(out, digits.value);
    }
    default:
      if ((c & '\x80') != 0) return false;
      out += c;
      return true;
  }
}

// U&'…' and U&"…" (documentation 4.1.2.3).
bool unicode_escape(std::string_view& rest, std::string& out, char escape) {
  if (!rest.empty() && rest.front() == escape) {
    out += escape;
    rest.remove_prefix(1);
    return true;
  }
  size_t wanted = 4;
  if (!rest.empty() && rest.front() == '+') {
    wanted = 6;
    rest.remove_prefix(1);
  }
  Digits digits = take_digits(rest, 16, wanted);
  return digits.count == wanted && append_code(out, digits.value);
}

std::string_view between(std::string_view token, size_t head, size_t tail) {
  if (token.size() < head + tail) return {};
  return token.substr(head, token.size() - head - tail);
}

}  // namespace

bool is_plain_setting_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '$';
  });
}

size_t character_bytes(Encoding encoding, std::string_view text) {
  auto first = static_cast<unsigned char>(text[0]);
  auto second = static_cast<unsigned char>(text.size() > 1 ? text[1] : 0);
  return std::min<size_t>(1 + trailing_bytes(encoding, first, second), text.size());
}

void append_lower(std::string& out, std::string_view text, Encoding encoding) {
  if (encoding == Encoding::ascii_safe) {
    size_t begin = out.size();
    out += text;
    for (char& c : std::span(out).subspan(begin)) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    return;
  }
  while (!text.empty()) {
    size_t length = character_bytes(encoding, text);
    char c = text[0];
    if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c + ('a' - 'A'));
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
}

Name fold_identifier(std::string_view token, Syntax syntax, char escape) {
  Name name;
  bool unicode = token.size() > 2 && token[1] == '&' && token[2] == '"';
  if (unicode) {
    name.is_certain =
        walk(between(token, 3, 1), '"', escape, syntax.encoding, name.text,
             [&](auto& rest, auto& out) { return unicode_escape(rest, out, escape); });
  } else if (token.starts_with('"')) {
    walk(between(token, 1, 1), '"', '\0', syntax.encoding, name.text,
         [](auto&, auto&) { return false; });
  } else {
    append_lower(name.text, token, syntax.encoding);
  }
  clip(name, syntax.encoding);
  return name;
}

std::optional<std::string> string_value(std::string_view token, Syntax syntax, char escape) {
  std::string value;
  if (token.starts_with('$')) {
    size_t tag = token.find('$', 1) + 1;
    return std::string(between(token, tag, tag));
  }
  bool unicode = token.size() > 2 && token[1] == '&';
  if (unicode) {
    bool followed = syntax.standard_conforming_strings &&
                    walk(between(token, 3, 1), '\'', escape, syntax.encoding, value,
                         [&](auto& rest, auto& out) { return unicode_escape(rest, out, escape); });
    return followed ? std::optional(std::move(value)) : std::nullopt;
  }
  bool plain = token.starts_with('\'');
  if (!plain && !token.starts_with('e') && !token.starts_with('E')) return std::nullopt;
  bool backslashes = !plain || !syntax.standard_conforming_strings;
  if (!walk(between(token, plain ? 1 : 2, 1), '\'', backslashes ? '\\' : '\0', syntax.encoding,
            value, c_escape)) {
    return std::nullopt;
  }
  return value;
}

}  // namespace trunkline::sql
