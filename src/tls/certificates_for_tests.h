#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string>

#include "tls/openssl.h"

// Real certificates for tests, of this module and of those above.
namespace trunkline::tls {

// A folder that goes away with its files.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "trunkline-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

struct TestIdentity {
  KeyPtr key;
  CertificatePtr certificate;
};

struct TestCertificateWish {
  std::string common_name;
  std::string alternative_names = {};  // "DNS:a.example,IP:127.0.0.1"
  std::string key = "P-256";           // P-256, RSA, ED25519
  const EVP_MD* hash = EVP_sha256();   // of the signature; ignored by Ed25519
  long valid_from_s = -3600;           // relative to now
  long valid_until_s = 3600;
  bool is_authority = false;
};

inline KeyPtr make_test_key(const std::string& kind) {
  if (kind == "RSA") return KeyPtr(EVP_RSA_gen(2048));
  if (kind == "ED25519") return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  return KeyPtr(EVP_EC_gen(kind.c_str()));
}

inline void add_test_extension(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Signed by `issuer`, or by itself.
inline TestIdentity make_test_identity(const TestCertificateWish& wish,
                                       const TestIdentity* issuer = nullptr) {
  static long serial = 1;
  TestIdentity made{make_test_key(wish.key), CertificatePtr(X509_new())};
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), wish.valid_from_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate), wish.valid_until_s);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("Tests"), -1, -1, 0);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.common_name.data()),
                             static_cast<int>(wish.common_name.size()), -1, 0);
  const TestIdentity& signer = issuer == nullptr ? made : *issuer;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate.get()));
  X509_set_pubkey(certificate, made.key.get());
  if (wish.is_authority) add_test_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  if (!wish.alternative_names.empty()) {
    add_test_extension(certificate, NID_subject_alt_name, wish.alternative_names);
  }
  bool own_hash = EVP_PKEY_is_a(signer.key.get(), "ED25519") == 1;
  X509_sign(certificate, signer.key.get(), own_hash ? nullptr : wish.hash);
  return made;
}

inline void write_test_certificate(const std::string& path, const TestIdentity& identity) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  PEM_write_X509(file, identity.certificate.get());
  std::fclose(file);
}

inline void write_test_key(const std::string& path, const TestIdentity& identity) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  PEM_write_PrivateKey(file, identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
}

}  // namespace trunkline::tls
