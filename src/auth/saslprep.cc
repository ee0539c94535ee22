#include "auth/saslprep.h"

#include <algorithm>
#include <cstdint>
#include <stringprep.h>
#include <vector>

namespace trunkline::auth {

namespace {

// NFKC grows U+FDFA most, from three bytes of UTF-8 to eighteen code points.
constexpr size_t kCodePointsPerByteMax = 6;

// Of a password, so wiped when they die.
struct CodePoints {
  std::vector<uint32_t> list;
  ~CodePoints() { wipe(list.data(), list.size() * sizeof(uint32_t)); }
};

// Length of the UTF-8 sequence that starts with `lead`, 0 when none does.
size_t sequence_bytes(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

bool decode_utf8(std::string_view text, std::vector<uint32_t>& to) {
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  for (size_t at = 0; at < text.size();) {
    auto lead = static_cast<unsigned char>(text[at]);
    size_t bytes = sequence_bytes(lead);
    if (bytes == 0 || text.size() - at < bytes) return false;
    uint32_t code = bytes == 1 ? lead : lead & (0x7FU >> bytes);
    for (size_t i = 1; i < bytes; ++i) {
      auto next = static_cast<unsigned char>(text[at + i]);
      if ((next & 0xC0) != 0x80) return false;
      code = code << 6 | (next & 0x3FU);
    }
    if (code < kLeast[bytes] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    to.push_back(code);
    at += bytes;
  }
  return true;
}

void append_utf8(uint32_t code, std::string& to) {
  if (code < 0x80) {
    to += static_cast<char>(code);
    return;
  }
  int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr uint32_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  to += static_cast<char>(kLead[more] | code >> (6 * more));
  while (more-- > 0) to += static_cast<char>(0x80 | (code >> (6 * more) & 0x3F));
}

}  // namespace

// The tables are libidn's (GNU, packaged by every distribution, its own Unicode 3.2 as RFC 3454
// demands): writing them out here would be 1,500 lines, and ICU brings 30 MB.
Secret saslprep(std::string_view password) {
  if (std::ranges::all_of(password, [](char c) { return static_cast<signed char>(c) >= 0; }))
    return Secret(password);

  CodePoints points;
  size_t room = password.size() * kCodePointsPerByteMax + 1;
  points.list.reserve(room);
  if (!decode_utf8(password, points.list)) return Secret(password);
  size_t count = points.list.size();
  points.list.resize(room);
  if (stringprep_4i(points.list.data(), &count, room, STRINGPREP_NO_UNASSIGNED,
                    stringprep_saslprep) != STRINGPREP_OK ||
      count == 0)
    return Secret(password);

  std::string prepared;
  prepared.reserve(count * 4);
  for (size_t i = 0; i < count; ++i) append_utf8(points.list[i], prepared);
  Secret secret(prepared);
  wipe(prepared);
  return secret;
}

}  // namespace trunkline::auth
