#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "io/socket.h"
#include "tls/openssl.h"

namespace trunkline::tls {

// While the socket has left so much ciphertext, nothing more is encrypted. Only a peer gets there
// that has records answered (KeyUpdate) and does not read the answers: the next `recv` ends it.
inline constexpr size_t kUnsentBytesMax = 128 * 1024;
// Reads in a row that bring no data, only records about the connection (KeyUpdate, tickets, empty
// ones). A read brings at most one record buffer of OpenSSL's (16 KiB and a bit).
inline constexpr int kReadsWithoutDataMax = 16;

// TLS between a Stream and its socket: the SSL object, and a BIO that knows from the socket's
// readiness bits when a system call would be for nothing. OpenSSL reads ahead into its own buffer
// and frees it once drained; what it writes is gathered in a buffer of the thread and leaves in one
// send, so that an idle layer owns no buffer. The socket is given anew with each call: the layer
// keeps no reference to socket, loop or thread. Owned by its Stream.
class Layer {
 public:
  // `prefix`: bytes that came from the socket before.
  Layer(SslPtr ssl, std::string prefix);
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  // One step of the handshake: 0 when it is done, -EAGAIN when it needs the peer (or, with
  // `has_unsent`, room to write), or another negative errno.
  int handshake(io::Socket& socket);

  // As Stream's.
  ssize_t recv(io::Socket& socket, std::span<char> into);
  ssize_t peek(io::Socket& socket);
  ssize_t send(io::Socket& socket, std::span<const iovec> from);
  int flush(io::Socket& socket);
  bool has_pending() const { return has_more_ || ended_; }
  bool has_unsent() const { return !unsent_.empty(); }
  void close_notify(io::Socket& socket);

  // Nothing of either direction is in user space.
  bool is_idle() const;
  SSL* ssl() const { return ssl_.get(); }
  const std::string& error_text() const { return error_text_; }

 private:
  friend struct LayerBio;
  struct Call;

  template <auto kRead>
  ssize_t read(io::Socket& socket, std::span<char> into);
  bool write_blocked() const { return unsent_.size() >= kUnsentBytesMax; }
  bool more_to_read(const io::Socket& socket) const;
  // Why an operation of OpenSSL did not succeed, as recv and send answer; 1 when it merely has
  // digested a record without data.
  int failure(int returned);
  int end(int result);
  bool is_cut_short() const;

  SslPtr ssl_;
  std::string prefix_;
  size_t prefix_taken_ = 0;
  std::string unsent_;
  std::string error_text_;
  io::Socket* socket_ = nullptr;  // during a call only
  int reads_without_data_ = 0;
  int result_at_end_ = 0;  // once `ended_`: what recv answers from now on
  int socket_error_ = 0;   // of the BIO
  bool ended_ = false;
  bool socket_eof_ = false;
  bool dry_ = false;       // the BIO had nothing when it was asked last
  bool has_more_ = false;  // OpenSSL may give data without a new byte from the socket
};

}  // namespace trunkline::tls
