#include "tls/host_name.h"

#include "base/text.h"

namespace trunkline::tls {

namespace {

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

}  // namespace

std::optional<std::string> normalize_host_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > kHostNameBytesMax) return std::nullopt;
  size_t label_bytes = 0;
  for (char c : name) {
    if (c == '.') {
      if (label_bytes == 0) return std::nullopt;
      label_bytes = 0;
    } else if (!is_host_character(c) || ++label_bytes > kHostLabelBytesMax) {
      return std::nullopt;
    }
  }
  if (label_bytes == 0) return std::nullopt;
  return to_lower(name);
}

bool host_name_matches(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with("*.")) return pattern == name;
  size_t dot = name.find('.');
  return dot != std::string_view::npos && dot > 0 && name.substr(dot) == pattern.substr(1);
}

}  // namespace trunkline::tls
