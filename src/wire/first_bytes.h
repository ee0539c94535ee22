#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "wire/protocol.h"

namespace trunkline::wire {

// The body of a CancelRequest. The key is the proxy's own, 4 to 256 bytes.
struct CancelRequest {
  uint32_t process_id = 0;
  std::string_view key = {};
};

// What a connection turned out to be when its first packet came.
enum class FirstPacket : uint8_t {
  nothing,
  direct_tls,
  ssl_request,
  gssenc_request,
  startup,
  cancel,
  malformed
};

// Everything from a client's first byte to its StartupMessage or CancelRequest: encryption requests
// and both ways into TLS, in any order that PostgreSQL allows (documentation 54.2.10 to 54.2.12).
// Owned by the session during login; one thread. Keeps no bytes: the driver shows all that it has
// not yet consumed, at most `kStartupLengthMax` bytes are ever needed.
class FirstBytes {
 public:
  enum class Action : uint8_t {
    need_more,   // read up to `max_read` bytes and call again with all of them
    answer,      // write `reply` and go on
    accept_tls,  // write `reply` ('S'), do the handshake, call `tls_started`
    direct_tls,  // hand `replay` to TLS as its first bytes, do the handshake, call `tls_started`
    startup,     // `body` is a StartupMessage, for parse_startup
    cancel,      // `cancel` is complete: nothing is ever answered
    fatal,       // write `reply` unless it is 0, send `error` and close
    close,       // close without a word; `error` is for the log
  };

  struct Step {
    Action action = Action::need_more;
    size_t consumed = 0;
    char reply = 0;
    std::string_view body = {};
    std::string_view replay = {};
    CancelRequest cancel = {};
    Error error = {};
  };

  // `tls_offered`: whether this listener speaks TLS on this kind of socket.
  explicit FirstBytes(bool tls_offered) : tls_offered_(tls_offered) {}

  // `pending` is all that was read and not consumed. Views in the result point into it.
  Step step(std::string_view pending);
  // The handshake that `accept_tls` or `direct_tls` asked for is complete.
  void tls_started();
  // What the driver may read now, given the bytes it has. While TLS may still begin, a connection
  // is read so that at most `kReplayBytesMax` bytes of a ClientHello are taken and a packet that
  // should stand alone is seen to be followed by something; 0 during a handshake.
  size_t max_read(std::string_view pending) const;

  bool in_tls() const { return in_tls_; }
  FirstPacket first_packet() const { return first_packet_; }

  // One more than an SSLRequest, to see bytes stuffed behind it.
  static constexpr size_t kReplayBytesMax = kStartupLengthMin + 1;

 private:
  Step close(std::string_view why);
  Step answer_encryption_request(bool gss, size_t consumed, bool stuffed);
  Step read_cancel(std::string_view body, size_t consumed);
  void saw(FirstPacket kind) {
    if (first_packet_ == FirstPacket::nothing) first_packet_ = kind;
  }
  bool tls_may_begin() const { return tls_offered_ && !in_tls_ && !ssl_done_; }

  const bool tls_offered_;
  bool in_tls_ = false;
  bool handshaking_ = false;
  bool direct_ = false;
  bool ssl_done_ = false;
  bool gss_done_ = false;
  bool any_packet_ = false;
  FirstPacket first_packet_ = FirstPacket::nothing;
};

}  // namespace trunkline::wire
