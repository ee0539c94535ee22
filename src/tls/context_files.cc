#include "tls/context_files.h"

#include "tls/pem.h"

namespace trunkline::tls {

void FindingSite::error(std::string_view name, std::string text) const {
  findings.errors.push_back({at, key + "." + std::string(name), std::move(text)});
}

void FindingSite::warning(std::string_view name, std::string text) const {
  findings.warnings.push_back({at, key + "." + std::string(name), std::move(text)});
}

SslContextPtr new_context(const SSL_METHOD* method) {
  SslContextPtr context(SSL_CTX_new(method));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // So that each record that carries no data comes back to us and can be counted.
  SSL_CTX_clear_mode(context.get(), SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(context.get(), 1);
  return context;
}

bool use_certificate(SSL_CTX* context, const std::string& cert_file, const std::string& key_file,
                     const FindingSite& site) {
  auto certificates = load_certificates(cert_file);
  if (!certificates) site.error("cert", cert_file + " " + certificates.error());
  auto key = load_private_key(key_file);
  if (!key) site.error("key", key_file + " " + key.error());
  if (!certificates || !key) return false;

  X509* own = certificates->front().get();
  if (X509_check_private_key(own, key->get()) != 1) {
    take_openssl_error();
    site.error("key", key_file + " is not the key of the certificate in " + cert_file);
    return false;
  }
  STACK_OF(X509)* chain = sk_X509_new_null();
  for (size_t i = 1; i < certificates->size(); ++i) sk_X509_push(chain, (*certificates)[i].get());
  bool used = SSL_CTX_use_cert_and_key(context, own, key->get(), chain, 1) == 1;
  sk_X509_free(chain);
  if (!used) {
    site.error("cert", cert_file + " cannot be used: " + take_openssl_error());
    return false;
  }
  for (const CertificatePtr& certificate : *certificates) {
    std::string text = validity_warning(*certificate, WallClock::now());
    if (!text.empty()) site.warning("cert", cert_file + " " + text);
  }
  return true;
}

std::vector<CertificatePtr> load_authorities(const std::string& file, std::string_view name,
                                             const FindingSite& site) {
  auto authorities = load_certificates(file);
  if (!authorities) {
    site.error(name, file + " " + authorities.error());
    return {};
  }
  for (const CertificatePtr& authority : *authorities) {
    std::string text = validity_warning(*authority, WallClock::now());
    if (!text.empty()) site.warning(name, file + " " + text);
  }
  return std::move(*authorities);
}

CertificateStorePtr make_store(const std::vector<CertificatePtr>& authorities) {
  CertificateStorePtr store(X509_STORE_new());
  for (const CertificatePtr& authority : authorities) {
    X509_STORE_add_cert(store.get(), authority.get());
  }
  return store;
}

}  // namespace trunkline::tls
