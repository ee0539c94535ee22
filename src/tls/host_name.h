#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace trunkline::tls {

inline constexpr size_t kHostNameBytesMax = 255;  // RFC 1035, 2.3.4
inline constexpr size_t kHostLabelBytesMax = 63;

// A host name as names are compared here: lower case, without the final dot. nullopt when it could
// not be a host name. Underscores pass: container networks use them.
std::optional<std::string> normalize_host_name(std::string_view name);

// `name` and `pattern` are normalized. A pattern that begins with "*." stands for exactly one
// label.
bool host_name_matches(std::string_view pattern, std::string_view name);

}  // namespace trunkline::tls
