#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tls/openssl.h"

// Who a certificate says its holder is.
namespace trunkline::tls {

// A client's certificate, as `cert` authentication and logs need it. It has been verified: a
// handshake with one that is not fails.
struct PeerCertificate {
  std::string common_name;         // the first; empty when there is none or it holds a zero byte
  std::string distinguished_name;  // RFC 2253, as `clientname=DN` of pg_hba compares it
};
PeerCertificate describe(const X509& certificate);

// The hash of `tls-server-end-point` (RFC 5929, 4.1): the certificate's, by the hash function of
// its signature, SHA-256 instead of MD5 and SHA-1. nullopt when the signature has no single hash
// function (Ed25519): channel binding is then undefined and must not be offered.
std::optional<std::string> end_point_hash(const X509& certificate);

// As libpq's verify-full (34.19.1): a host name by the DNS names of the certificate, or its common
// name when there are none; an IP address by the addresses, then as a host name.
bool matches_host(const X509& certificate, std::string_view host);

}  // namespace trunkline::tls
