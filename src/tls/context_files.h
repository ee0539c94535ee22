#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tls/context.h"

// What both compilers of contexts share: settings that hold on both sides, and files that go into a
// context with everything wrong about them told.
namespace trunkline::tls {

// One mapping of the configuration, for messages about its keys.
struct FindingSite {
  const config::Location& at;
  std::string key;
  Findings& findings;

  void error(std::string_view name, std::string text) const;
  void warning(std::string_view name, std::string text) const;
};

// For both directions: TLS 1.2 and later, no resumption, no renegotiation, buffers only while bytes
// are in flight.
SslContextPtr new_context(const SSL_METHOD* method);

// Certificate, chain and key. False after an error.
bool use_certificate(SSL_CTX* context, const std::string& cert_file, const std::string& key_file,
                     const FindingSite& site);

// The certificates of authorities in `file`; `name` is the key that names it. Empty after an error.
std::vector<CertificatePtr> load_authorities(const std::string& file, std::string_view name,
                                             const FindingSite& site);
CertificateStorePtr make_store(const std::vector<CertificatePtr>& authorities);

}  // namespace trunkline::tls
