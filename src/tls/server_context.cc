#include "base/ip.h"
#include "base/text.h"
#include "tls/context.h"
#include "tls/context_files.h"
#include "tls/identity.h"

namespace trunkline::tls {

namespace {

using Mode = config::ServerTlsMode;

bool verifies(Mode mode) {
  return mode == Mode::verify_ca || mode == Mode::verify_full;
}

// `prefer` and `require` encrypt without asking who is there, as libpq's without a root
// certificate.
void load_server_ca(SSL_CTX* context, const config::ServerTls& tls, const FindingSite& site) {
  if (!verifies(tls.mode)) {
    if (!tls.ca_file.empty()) {
      site.warning("ca", "has no effect with this `mode`: only verify-ca and verify-full verify");
    }
    return;
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (!tls.ca_file.empty()) {
    SSL_CTX_set1_cert_store(context, make_store(load_authorities(tls.ca_file, "ca", site)).get());
  } else if (tls.mode == Mode::verify_ca) {
    // libpq refuses the same (34.19.1, sslrootcert=system): anybody gets a certificate there.
    site.error("ca",
               "is missing: `verify-ca` by the system's authorities would accept any server; "
               "name the authority, or use `verify-full`");
  } else {
    SSL_CTX_set_default_verify_paths(context);
  }
}

void load_own_certificate(SSL_CTX* context, const config::ServerTls& tls, const FindingSite& site) {
  if (tls.cert_file.empty() && tls.key_file.empty()) return;
  if (tls.key_file.empty()) {
    site.error("key", "is missing: `cert` needs it");
  } else if (tls.cert_file.empty()) {
    site.error("cert", "is missing: `key` needs it");
  } else {
    use_certificate(context, tls.cert_file, tls.key_file, site);
  }
}

Error server_error(std::string message) {
  return {.reason = Reason::server_tls_error,
          .side = Side::server,
          .retry = Retry::safe,
          .sqlstate = sqlstate::kCannotConnect,
          .message = std::move(message)};
}

}  // namespace

std::shared_ptr<const ServerContext> ServerContext::compile(const config::ServerTls& tls,
                                                            std::string_view key,
                                                            Findings& findings) {
  size_t errors_before = findings.errors.size();
  std::shared_ptr<ServerContext> result(new ServerContext);
  result->mode_ = tls.mode;
  result->negotiation_ = tls.negotiation;
  result->server_name_ = tls.server_name;
  if (tls.mode == Mode::disable) return result;

  FindingSite site{tls.at, std::string(key), findings};
  // libpq refuses this too: there is no way back to plain text from a direct handshake.
  if (tls.negotiation == config::TlsNegotiation::direct && tls.mode < Mode::require) {
    site.error("negotiation", "`direct` needs `mode: require`, `verify-ca` or `verify-full`");
  }
  result->context_ = new_context(TLS_client_method());
  SSL_CTX* context = result->context_.get();
  std::string alpn = static_cast<char>(kAlpnPostgresql.size()) + std::string(kAlpnPostgresql);
  SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(alpn.data()),
                          static_cast<unsigned>(alpn.size()));
  load_server_ca(context, tls, site);
  load_own_certificate(context, tls, site);
  return findings.errors.size() == errors_before ? result : nullptr;
}

std::string_view ServerContext::name_of(std::string_view host) const {
  return server_name_.empty() ? host : server_name_;
}

SslPtr ServerContext::new_ssl(std::string_view host) const {
  SslPtr ssl(SSL_new(context_.get()));
  if (!ssl) return ssl;
  SSL_set_connect_state(ssl.get());
  std::string name(name_of(host));
  // RFC 6066, 3: literal addresses are not permitted in server_name.
  if (!name.empty() && !IpAddress::parse(name)) SSL_set_tlsext_host_name(ssl.get(), name.c_str());
  return ssl;
}

Result<> ServerContext::check(SSL* ssl, std::string_view host) const {
  const unsigned char* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
  std::string_view protocol(reinterpret_cast<const char*>(alpn), alpn_size);
  if (protocol.empty() && negotiation_ == config::TlsNegotiation::direct) {
    return fail(
        server_error("direct TLS was established without ALPN protocol negotiation; "
                     "the server is older than PostgreSQL 17 or not PostgreSQL"));
  }
  if (!protocol.empty() && protocol != kAlpnPostgresql) {
    return fail(server_error("server chose a protocol that was not offered"));
  }
  if (mode_ != Mode::verify_full) return {};
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate != nullptr && matches_host(*certificate, name_of(host))) return {};
  std::string name = certificate == nullptr ? "" : describe(*certificate).common_name;
  return fail(server_error("server certificate for \"" + printable(name) +
                           "\" does not match host name \"" + printable(name_of(host)) + "\""));
}

}  // namespace trunkline::tls
