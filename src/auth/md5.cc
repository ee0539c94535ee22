#include "auth/md5.h"

#include <algorithm>
#include <string>

#include "auth/crypto.h"

namespace trunkline::auth {

namespace {

constexpr std::string_view kPrefix = "md5";

Secret prefixed_md5(std::string_view head, std::string_view tail) {
  std::string joined;
  joined.reserve(head.size() + tail.size());
  joined.append(head).append(tail);
  Secret digits = md5_hex(joined);
  wipe(joined);
  if (digits.empty()) return {};
  std::string text;
  text.reserve(kPrefix.size() + digits.reveal().size());
  text.append(kPrefix).append(digits.reveal());
  Secret result(text);
  wipe(text);
  return result;
}

}  // namespace

bool is_md5_secret(std::string_view text) {
  auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 35 && text.starts_with(kPrefix) &&
         std::ranges::all_of(text.substr(kPrefix.size()), is_digit);
}

Secret md5_secret(std::string_view password, std::string_view user) {
  return prefixed_md5(password, user);
}

Secret md5_answer(std::string_view stored, std::string_view salt) {
  return prefixed_md5(stored.substr(std::min(kPrefix.size(), stored.size())), salt);
}

}  // namespace trunkline::auth
