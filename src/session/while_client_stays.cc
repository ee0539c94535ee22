#include "session/while_client_stays.h"

#include <cerrno>

namespace trunkline::session {

bool client_is_gone(tls::Stream& client, bool has_asked) {
  ssize_t got = client.peek();
  if (got == 0) return !has_asked;
  return got < 0 && got != -EAGAIN;
}

}  // namespace trunkline::session
