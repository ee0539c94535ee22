#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "io/socket.h"
#include "tls/identity.h"
#include "tls/layer.h"

namespace trunkline::tls {

// A stream that has left its loop: a value that another thread may adopt. Closes the descriptor
// when nobody does.
struct DetachedStream {
  DetachedStream(int descriptor, bool unix_socket, std::unique_ptr<Layer> tls_layer)
      : fd(descriptor), is_unix(unix_socket), layer(std::move(tls_layer)) {}
  DetachedStream(DetachedStream&& other) noexcept
      : fd(std::exchange(other.fd, -1)), is_unix(other.is_unix), layer(std::move(other.layer)) {}
  DetachedStream& operator=(DetachedStream&& other) noexcept {
    std::swap(fd, other.fd);
    std::swap(is_unix, other.is_unix);
    std::swap(layer, other.layer);
    return *this;
  }
  ~DetachedStream();

  int fd;
  bool is_unix;
  std::unique_ptr<Layer> layer;
};

// A byte stream to a peer: a socket, plain or under TLS. Answers as io::Socket: a count, 0 at the
// end of file, a negative errno; -EPROTO when TLS is broken, `last_error_text` then says how.
// Movable; belongs to the thread of the socket's loop.
//
// Under TLS two things differ from a socket: bytes may be readable without the socket being so
// (`has_pending`), and bytes that `send` took may not have left (`has_unsent`): whoever waits must
// then wait for room to write too, and call `flush`. Both are always false on a plain stream.
class Stream {
 public:
  Stream() = default;
  explicit Stream(io::Socket socket) : socket_(std::move(socket)) {}
  // Joins the loop of this thread.
  Stream(io::Loop& loop, DetachedStream detached);
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&&) noexcept = default;

  ssize_t recv(std::span<char> into) {
    if (layer_) return layer_->recv(socket_, into);
    return socket_.recv(into);
  }
  // As `recv` of one byte, which stays. Under TLS a record may move into OpenSSL's buffer.
  ssize_t peek() { return layer_ ? layer_->peek(socket_) : socket_.peek(); }
  ssize_t send(std::span<const iovec> from) {
    if (layer_) return layer_->send(socket_, from);
    return socket_.send(from);
  }
  // 0 when everything has left, or a negative errno.
  ssize_t flush() { return layer_ ? layer_->flush(socket_) : 0; }

  bool readable() const { return socket_.readable() || has_pending(); }
  bool has_pending() const { return layer_ && layer_->has_pending(); }
  bool has_unsent() const { return layer_ && layer_->has_unsent(); }

  // What is read from now on leaves no copy in OpenSSL's buffers: for logins, at the price of one
  // more pass over the bytes. Without meaning on a plain stream.
  void wipe_plaintext(bool on);

  // For waiting and for plain bytes before TLS; never for bytes under it.
  io::Socket& socket() { return socket_; }
  const io::Socket& socket() const { return socket_; }
  bool is_open() const { return socket_.is_open(); }

  // Says good-bye under TLS if there is room to, and ends the sending direction.
  void shutdown_write() {
    if (layer_) layer_->close_notify(socket_);
    socket_.shutdown_write();
  }
  // Says good-bye under TLS if there is room to, and closes. Never blocks.
  void close();

  // Nothing in user space in either direction: only then may it be detached.
  bool is_idle() const { return !layer_ || layer_->is_idle(); }
  DetachedStream detach() &&;

  bool is_encrypted() const { return layer_ != nullptr; }
  std::string last_error_text() const { return layer_ ? layer_->error_text() : ""; }

  // Of the handshake; empty on a plain stream.
  std::string_view negotiated_alpn() const;
  std::string_view tls_version() const;  // "TLSv1.3"
  std::string_view cipher() const;
  std::string sni() const;  // the host a client asked for, normalized
  // The peer's, when it showed one.
  std::optional<PeerCertificate> peer_certificate() const;
  // Channel binding: of our certificate towards clients, of the peer's towards servers.
  std::optional<std::string> end_point_hash() const;

  // Puts TLS on top; for the handshakes of handshake.h.
  void start_tls(SslPtr ssl, std::string prefix);
  Layer* layer() { return layer_.get(); }

 private:
  SSL* ssl() const { return layer_ ? layer_->ssl() : nullptr; }

  io::Socket socket_;
  std::unique_ptr<Layer> layer_;  // nullptr: plain
};

}  // namespace trunkline::tls
