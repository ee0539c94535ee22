#pragma once

#include <expected>
#include <string>
#include <vector>

#include "base/time.h"
#include "tls/openssl.h"

// Certificates and keys from files in PEM form. Errors are half sentences that follow the name of
// the file: "does not exist".
namespace trunkline::tls {

inline constexpr size_t kPemFileBytesMax = 1 << 20;

// At least one certificate; in a server's file its own comes first, then those that signed it.
std::expected<std::vector<CertificatePtr>, std::string> load_certificates(const std::string& path);

// A key without passphrase: nobody is there to type it. The file's bytes are wiped after use.
std::expected<KeyPtr, std::string> load_private_key(const std::string& path);

// "" when `certificate` is valid at `now`, else "expired on …" or "is not valid before …".
std::string validity_warning(const X509& certificate, WallClock::time_point now);

}  // namespace trunkline::tls
