#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/model.h"
#include "tls/openssl.h"

namespace trunkline::tls {

// The protocol name of PostgreSQL in ALPN (PostgreSQL 17, 53.2.10).
inline constexpr std::string_view kAlpnPostgresql = "postgresql";

// What compiling a part of the configuration found. With errors there is no context.
struct Findings {
  std::vector<config::Problem> errors;
  std::vector<config::Problem> warnings;
};

// TLS towards the clients of one listener: which certificate a host name gets, what is asked of
// clients. Immutable and shared by all threads; a reload compiles a new one from the files, and
// sessions under way keep theirs. No resumption, early data or renegotiation: a resumed session
// shows no certificate, and so would survive a reload that took it away.
class ClientContext {
 public:
  // `key` is where `tls` stands in the configuration: "listen[0].tls". nullptr after an error.
  static std::shared_ptr<const ClientContext> compile(const config::ListenTls& tls,
                                                      std::string_view key, Findings& findings);
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  // For one handshake, during which the context must live.
  SslPtr new_ssl() const;

 private:
  struct Compiler;
  ClientContext() = default;
  // nullptr: none but the default fits.
  SSL_CTX* choose(std::string_view host) const;
  static int on_server_name(SSL* ssl, int* alert, void* self);

  std::vector<SslContextPtr> contexts_;  // one for each certificate; the first is the default
  std::map<std::string, SSL_CTX*, std::less<>> by_name_;  // "a.example" and "*.example"
};

// TLS towards the servers of one upstream. Immutable and shared by all threads, replaced by reload.
class ServerContext {
 public:
  // nullptr after an error.
  static std::shared_ptr<const ServerContext> compile(const config::ServerTls& tls,
                                                      std::string_view key, Findings& findings);
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

  config::ServerTlsMode mode() const { return mode_; }
  config::TlsNegotiation negotiation() const { return negotiation_; }

  // For one handshake with `host`, which `server_name` of the configuration overrides.
  SslPtr new_ssl(std::string_view host) const;
  // After the handshake: whether the certificate is that of the host (verify-full), and the
  // protocol PostgreSQL's.
  Result<> check(SSL* ssl, std::string_view host) const;

 private:
  ServerContext() = default;
  std::string_view name_of(std::string_view host) const;

  config::ServerTlsMode mode_ = config::ServerTlsMode::disable;
  config::TlsNegotiation negotiation_ = config::TlsNegotiation::starttls;
  std::string server_name_;
  SslContextPtr context_;  // nullptr when disabled
};

}  // namespace trunkline::tls
