#pragma once

#include <optional>
#include <string_view>

#include "base/ip.h"

namespace trunkline::route {

// What is known of a client when its route is chosen. The views belong to the session and outlive
// the decision. A fact that is not there matches no pattern, not even `*`: a client without SNI has
// no `sni`, a passthrough client has neither user nor database nor application_name, because
// nothing of it is decrypted.
struct Facts {
  std::optional<std::string_view> sni = {};
  std::optional<std::string_view> user = {};              // cut to 63 bytes, as the server would
  std::optional<std::string_view> database = {};          // the user when the client named none
  std::optional<std::string_view> application_name = {};  // empty when the client gave none
  std::optional<IpAddress> source = {};                   // nullopt: a unix socket
  bool tls = false;
  std::string_view listener = {};  // for the log and explanations only
};

}  // namespace trunkline::route
