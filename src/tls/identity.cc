#include "tls/identity.h"

#include <openssl/x509v3.h>

#include "base/ip.h"

namespace trunkline::tls {

namespace {

std::string first_common_name(const X509_NAME* name) {
  int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return "";
  unsigned char* text = nullptr;
  int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) return "";
  std::string common_name(reinterpret_cast<char*>(text), static_cast<size_t>(size));
  OPENSSL_free(text);
  // "alice\0.evil" must not be taken for alice (CVE-2009-4034).
  return common_name.contains('\0') ? "" : common_name;
}

bool has_alternative_name(const X509& certificate, int type) {
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr));
  bool found = false;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    found = found || sk_GENERAL_NAME_value(names, i)->type == type;
  }
  GENERAL_NAMES_free(names);
  return found;
}

}  // namespace

PeerCertificate describe(const X509& certificate) {
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  BioPtr out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), subject, 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  long size = BIO_get_mem_data(out.get(), &data);
  return {.common_name = first_common_name(subject),
          .distinguished_name = std::string(data, static_cast<size_t>(size))};
}

std::optional<std::string> end_point_hash(const X509& certificate) {
  int hash_nid = NID_undef;
  // The cache of signature information is filled on first use, hence the cast.
  auto* mutable_certificate = const_cast<X509*>(&certificate);
  if (X509_get_signature_info(mutable_certificate, &hash_nid, nullptr, nullptr, nullptr) == 0) {
    return std::nullopt;
  }
  if (hash_nid == NID_md5 || hash_nid == NID_sha1) hash_nid = NID_sha256;
  const EVP_MD* function = EVP_get_digestbynid(hash_nid);
  if (function == nullptr) return std::nullopt;
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(&certificate, function, hash, &size) == 0) return std::nullopt;
  return std::string(reinterpret_cast<char*>(hash), size);
}

bool matches_host(const X509& certificate, std::string_view host) {
  auto* mutable_certificate = const_cast<X509*>(&certificate);
  unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  if (IpAddress::parse(host)) {
    std::string text(host);
    if (X509_check_ip_asc(mutable_certificate, text.c_str(), 0) == 1) return true;
    if (has_alternative_name(certificate, GEN_IPADD)) flags |= X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
  }
  return X509_check_host(mutable_certificate, host.data(), host.size(), flags, nullptr) == 1;
}

}  // namespace trunkline::tls
