#include "tls/stream.h"

#include <cassert>
#include <unistd.h>

#include "tls/host_name.h"

namespace trunkline::tls {

DetachedStream::~DetachedStream() {
  if (fd >= 0) ::close(fd);
}

Stream::Stream(io::Loop& loop, DetachedStream detached)
    : socket_(loop, std::exchange(detached.fd, -1), detached.is_unix),
      layer_(std::move(detached.layer)) {}

DetachedStream Stream::detach() && {
  assert(is_idle());
  bool is_unix = socket_.is_unix();
  return {socket_.release(), is_unix, std::move(layer_)};
}

void Stream::start_tls(SslPtr ssl, std::string prefix) {
  assert(!layer_);
  layer_ = std::make_unique<Layer>(std::move(ssl), std::move(prefix));
}

void Stream::wipe_plaintext(bool on) {
  if (ssl() == nullptr) return;
  if (on) {
    SSL_set_options(ssl(), SSL_OP_CLEANSE_PLAINTEXT);
  } else {
    SSL_clear_options(ssl(), SSL_OP_CLEANSE_PLAINTEXT);
  }
}

void Stream::close() {
  if (!is_open()) return;
  if (layer_) layer_->close_notify(socket_);
  socket_.close();
}

std::string_view Stream::negotiated_alpn() const {
  if (ssl() == nullptr) return {};
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string_view Stream::tls_version() const {
  return ssl() == nullptr ? "" : SSL_get_version(ssl());
}

std::string_view Stream::cipher() const {
  return ssl() == nullptr ? "" : SSL_get_cipher_name(ssl());
}

std::string Stream::sni() const {
  const char* name =
      ssl() == nullptr ? nullptr : SSL_get_servername(ssl(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : normalize_host_name(name).value_or("");
}

std::optional<PeerCertificate> Stream::peer_certificate() const {
  const X509* certificate = ssl() == nullptr ? nullptr : SSL_get0_peer_certificate(ssl());
  if (certificate == nullptr) return std::nullopt;
  return describe(*certificate);
}

std::optional<std::string> Stream::end_point_hash() const {
  if (ssl() == nullptr) return std::nullopt;
  const X509* certificate =
      SSL_is_server(ssl()) == 1 ? SSL_get_certificate(ssl()) : SSL_get0_peer_certificate(ssl());
  return certificate == nullptr ? std::nullopt : tls::end_point_hash(*certificate);
}

}  // namespace trunkline::tls
