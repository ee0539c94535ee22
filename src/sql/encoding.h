#pragma once

#include <cstdint>
#include <string_view>

namespace trunkline::sql {

// How characters of a client encoding are laid out, as far as the lexer must know. In most
// encodings no byte of a longer character is below 0x80, and bytes may be looked at one by one. In
// the others, which PostgreSQL knows on the client's side only, a later byte may look like ASCII: a
// backslash is the second byte of many characters of SJIS.
enum class Encoding : uint8_t {
  ascii_safe,   // UTF8, LATIN1, EUC_*, …
  double_byte,  // BIG5, GBK, UHC: a high byte and any other
  sjis,     // SJIS, SHIFT_JIS_2004: as double_byte, but half-width kana (0xa1 to 0xdf) stand alone
  gb18030,  // two bytes, or four when the second is a digit
  johab,    // two bytes, three after 0x8f
};

// Of a value of client_encoding, as the server accepts it: without regard to case, and to anything
// but letters and digits.
Encoding encoding_of(std::string_view client_encoding);

// How many more bytes belong to the character that begins with these. `second` counts only where
// the first alone does not tell, see `needs_second`.
constexpr bool needs_second(Encoding encoding) {
  return encoding == Encoding::gb18030;
}
unsigned trailing_bytes(Encoding encoding, unsigned char first, unsigned char second = 0);

}  // namespace trunkline::sql
