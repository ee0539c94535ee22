#include "session/peer_user.h"

#include <sys/socket.h>

namespace trunkline::session {

std::optional<uid_t> peer_user(const tls::Stream& stream) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  bool known = stream.socket().is_unix() && getsockopt(stream.socket().fd(), SOL_SOCKET,
                                                       SO_PEERCRED, &credentials, &length) == 0;
  return known ? std::optional(credentials.uid) : std::nullopt;
}

}  // namespace trunkline::session
