#include "route/rewrite.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ip.h"

namespace trunkline::route {

namespace {

constexpr size_t kLabelBytesMax = 63;  // RFC 1035 section 2.3.4
constexpr size_t kHostBytesMax = 253;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_label_byte(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

}  // namespace

std::expected<Rewrite, std::string> Rewrite::compile(std::string_view text) {
  Rewrite rewrite;
  rewrite.text_ = text;
  std::string literal;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$') {
      literal += text[i];
      continue;
    }
    char next = ++i < text.size() ? text[i] : '\0';
    if (next == '$') {
      literal += '$';
    } else if (is_digit(next)) {
      auto capture = static_cast<size_t>(next - '0');
      rewrite.pieces_.push_back({std::move(literal), capture});
      rewrite.used_.push_back(capture);
      literal.clear();
    } else {
      return std::unexpected(fmt::format(
          "in \"{}\" a `$` is followed by no digit; write $0 to $9 for a capture, $$ for a dollar",
          text));
    }
  }
  if (!literal.empty()) rewrite.pieces_.push_back({std::move(literal), kCapturesMax});
  return rewrite;
}

std::string Rewrite::expand(const Captures& captures) const {
  std::string text;
  for (const Piece& piece : pieces_) {
    text += piece.literal;
    if (piece.capture < captures.size()) text += captures[piece.capture];
  }
  return text;
}

bool usable_in_host(std::string_view capture) {
  return !capture.empty() && capture.size() <= kLabelBytesMax &&
         std::ranges::all_of(capture, is_label_byte);
}

bool usable_as_host(std::string_view host) {
  if (host.empty() || host.size() > kHostBytesMax) return false;
  if (IpAddress::parse(host)) return true;
  std::string_view last = host.substr(host.rfind('.') + 1);
  bool hexadecimal = last.starts_with("0x") || last.starts_with("0X");
  return !last.empty() && !hexadecimal && !std::ranges::all_of(last, is_digit);
}

}  // namespace trunkline::route
