#include "sql/encoding.h"

#include <string>
#include <utility>

#include "base/text.h"

namespace trunkline::sql {

namespace {

// "Supported Character Sets" in the chapter on localization, with the aliases the server knows.
constexpr std::pair<std::string_view, Encoding> kUnsafe[] = {
    {"big5", Encoding::double_byte},
    {"win950", Encoding::double_byte},
    {"windows950", Encoding::double_byte},
    {"gbk", Encoding::double_byte},
    {"win936", Encoding::double_byte},
    {"windows936", Encoding::double_byte},
    {"uhc", Encoding::double_byte},
    {"win949", Encoding::double_byte},
    {"windows949", Encoding::double_byte},
    {"sjis", Encoding::sjis},
    {"mskanji", Encoding::sjis},
    {"shiftjis", Encoding::sjis},
    {"win932", Encoding::sjis},
    {"windows932", Encoding::sjis},
    {"shiftjis2004", Encoding::sjis},
    {"gb18030", Encoding::gb18030},
    {"johab", Encoding::johab},
};

}  // namespace

Encoding encoding_of(std::string_view client_encoding) {
  std::string key;
  for (char c : to_lower(client_encoding)) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) key += c;
  }
  for (auto [name, encoding] : kUnsafe) {
    if (key == name) return encoding;
  }
  return Encoding::ascii_safe;
}

unsigned trailing_bytes(Encoding encoding, unsigned char first, unsigned char second) {
  if (first < 0x80) return 0;
  switch (encoding) {
    case Encoding::ascii_safe:
      return 0;
    case Encoding::double_byte:
      return 1;
    case Encoding::sjis:
      return first >= 0xa1 && first <= 0xdf ? 0 : 1;
    case Encoding::gb18030:
      return second >= '0' && second <= '9' ? 3 : 1;
    case Encoding::johab:
      return first == 0x8f ? 2 : 1;
  }
  return 0;
}

}  // namespace trunkline::sql
