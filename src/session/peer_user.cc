#include "session/peer_user.h"

#include <array>
#include <pwd.h>
#include <sys/socket.h>

namespace trunkline::session {

std::optional<uid_t> peer_user(const tls::Stream& stream) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  bool known = stream.socket().is_unix() && getsockopt(stream.socket().fd(), SOL_SOCKET,
                                                       SO_PEERCRED, &credentials, &length) == 0;
  return known ? std::optional(credentials.uid) : std::nullopt;
}

std::optional<std::string> system_user_name(const uid_t& user) {
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return std::nullopt;
  }
  return std::string(found->pw_name);
}

}  // namespace trunkline::session
