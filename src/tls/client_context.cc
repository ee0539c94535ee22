#include <openssl/ssl.h>

#include "tls/context.h"
#include "tls/context_files.h"
#include "tls/host_name.h"

namespace trunkline::tls {

namespace {

// Forward secrecy and authenticated encryption only; every TLS 1.2 client since 2014 has these.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

// Without ALPN the handshake goes on (STARTTLS of libpq before 17); with it, PostgreSQL's name must
// be among the offers, also after SSLRequest.
int on_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
            unsigned offered_size, void*) {
  for (unsigned at = 0; at < offered_size; at += 1U + offered[at]) {
    std::string_view name(reinterpret_cast<const char*>(offered) + at + 1, offered[at]);
    if (name != kAlpnPostgresql) continue;
    *out = offered + at + 1;
    *out_size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;  // no_application_protocol
}

// As a name of `certificates`: a host name or one under "*.".
std::optional<std::string> normalize_pattern(std::string_view text) {
  bool wildcard = text.starts_with("*.");
  auto host = normalize_host_name(wildcard ? text.substr(2) : text);
  if (host && wildcard) host->insert(0, "*.");
  return host;
}

}  // namespace

struct ClientContext::Compiler {
  const config::ListenTls& tls;
  std::string key;
  Findings& findings;
  ClientContext& result;
  std::vector<CertificatePtr> authorities;
  CertificateStorePtr store;

  void load_client_ca() {
    FindingSite site{tls.at, key, findings};
    bool asks = tls.client_certificate != config::ClientCertificate::none;
    if (asks && tls.client_ca_file.empty()) {
      site.error("client_ca", "is missing: `client_certificate` needs the authority to verify by");
    } else if (!asks && !tls.client_ca_file.empty()) {
      site.warning("client_ca", "has no effect with `client_certificate: none`");
    } else if (asks) {
      authorities = load_authorities(tls.client_ca_file, "client_ca", site);
      store = make_store(authorities);
    }
  }

  void add_names(const config::Certificate& certificate, SSL_CTX* context,
                 const FindingSite& site) {
    if (certificate.names.empty() && result.contexts_.size() > 1) {
      site.error("names", "is missing: every certificate but the first needs host names");
    }
    for (const std::string& text : certificate.names) {
      auto name = normalize_pattern(text);
      if (!name) {
        site.error("names", "\"" + text + "\" is neither a host name nor \"*.\" and a host name");
      } else if (!result.by_name_.emplace(*name, context).second) {
        site.error("names", "\"" + text + "\" is named twice");
      }
    }
  }

  void add_certificate(const config::Certificate& certificate, std::string site_key) {
    FindingSite site{certificate.at, std::move(site_key), findings};
    SSL_CTX* context = result.contexts_.emplace_back(new_context(TLS_server_method())).get();
    if (tls.min_version == config::TlsVersion::v1_3) {
      SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    }
    SSL_CTX_set_cipher_list(context, kTls12Ciphers);
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, nullptr);
    SSL_CTX_set_tlsext_servername_callback(context, &ClientContext::on_server_name);
    SSL_CTX_set_tlsext_servername_arg(context, &result);
    use_certificate(context, certificate.cert_file, certificate.key_file, site);
    ask_for_certificate(context);
    add_names(certificate, context, site);
  }

  void ask_for_certificate(SSL_CTX* context) {
    if (tls.client_certificate == config::ClientCertificate::none) return;
    int mode = SSL_VERIFY_PEER;
    if (tls.client_certificate == config::ClientCertificate::require) {
      mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    SSL_CTX_set_verify(context, mode, nullptr);
    if (store) SSL_CTX_set1_cert_store(context, store.get());
    for (const CertificatePtr& authority : authorities) {
      SSL_CTX_add_client_CA(context, authority.get());
    }
  }
};

std::shared_ptr<const ClientContext> ClientContext::compile(const config::ListenTls& tls,
                                                            std::string_view key,
                                                            Findings& findings) {
  size_t errors_before = findings.errors.size();
  std::shared_ptr<ClientContext> result(new ClientContext);
  Compiler compiler{tls, std::string(key), findings, *result, {}, nullptr};
  compiler.load_client_ca();
  if (tls.certificates.empty()) {
    FindingSite{tls.at, compiler.key, findings}.error("certificates",
                                                      "is missing: this mode needs at least one");
  }
  for (size_t i = 0; i < tls.certificates.size(); ++i) {
    compiler.add_certificate(tls.certificates[i],
                             compiler.key + ".certificates[" + std::to_string(i) + "]");
  }
  return findings.errors.size() == errors_before ? result : nullptr;
}

SslPtr ClientContext::new_ssl() const {
  SslPtr ssl(SSL_new(contexts_.front().get()));
  if (ssl) SSL_set_accept_state(ssl.get());
  return ssl;
}

SSL_CTX* ClientContext::choose(std::string_view host) const {
  auto found = by_name_.find(host);
  if (found == by_name_.end()) {
    size_t dot = host.find('.');
    if (dot == std::string_view::npos) return nullptr;
    found = by_name_.find("*" + std::string(host.substr(dot)));
  }
  return found == by_name_.end() ? nullptr : found->second;
}

int ClientContext::on_server_name(SSL* ssl, int* alert, void* self) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  auto host = normalize_host_name(name);
  if (!host) {
    *alert = SSL_AD_ILLEGAL_PARAMETER;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  SSL_CTX* context = static_cast<const ClientContext*>(self)->choose(*host);
  if (context != nullptr) SSL_set_SSL_CTX(ssl, context);
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace trunkline::tls
