#include "bench/scram.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <utility>

#include "bench/net.h"

namespace trunkline::bench {
namespace {

constexpr int kNonceBytes = 18;
constexpr std::string_view kGs2Header = "n,,";  // no channel binding
constexpr std::string_view kGs2HeaderBase64 = "biws";

unsigned char* raw(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string to_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  text.resize(EVP_EncodeBlock(raw(text), raw(bytes), static_cast<int>(bytes.size())));
  return text;
}

std::string from_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3, '\0');
  int length = EVP_DecodeBlock(raw(bytes), raw(text), static_cast<int>(text.size()));
  if (length < 0) die_plain("SCRAM: not base64");
  bytes.resize(length - (text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0));
  return bytes;
}

std::string hmac(std::string_view key, std::string_view text) {
  std::string mac(SHA256_DIGEST_LENGTH, '\0');
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(text), text.size(), raw(mac),
       nullptr);
  return mac;
}

std::string sha256(std::string_view text) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(raw(text), text.size(), raw(hash));
  return hash;
}

std::string exclusive_or(std::string a, std::string_view b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<char>(a[i] ^ b[i]);
  return a;
}

std::string new_nonce() {
  std::string bytes(kNonceBytes, '\0');
  if (RAND_bytes(raw(bytes), kNonceBytes) != 1) die_plain("no random bytes");
  return to_base64(bytes);
}

// The value of attribute `name` in a SCRAM message.
std::string attribute(std::string_view message, char name) {
  for (size_t at = 0; at < message.size();) {
    size_t end = std::min(message.find(',', at), message.size());
    if (message.substr(at).starts_with(std::string{name, '='})) {
      return std::string(message.substr(at + 2, end - at - 2));
    }
    at = end + 1;
  }
  die_plain("SCRAM: an attribute is missing");
}

const std::string& salted_password(const std::string& password, const std::string& salt,
                                   int iterations) {
  static std::map<std::string, std::string> known;  // one password and few salts in a run
  std::string& salted = known[password + '\n' + salt];
  if (salted.empty()) {
    salted.resize(SHA256_DIGEST_LENGTH);
    PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), raw(salt),
                      static_cast<int>(salt.size()), iterations, EVP_sha256(), SHA256_DIGEST_LENGTH,
                      raw(salted));
  }
  return salted;
}

}  // namespace

ScramClient::ScramClient(std::string password) : password_(std::move(password)) {}

std::string ScramClient::first() {
  first_bare_ = "n=,r=" + new_nonce();
  return std::string(kGs2Header) + first_bare_;
}

std::string ScramClient::final(std::string_view server_first) {
  const std::string& salted = salted_password(password_, from_base64(attribute(server_first, 's')),
                                              std::atoi(attribute(server_first, 'i').c_str()));
  std::string client_key = hmac(salted, "Client Key");
  std::string without_proof =
      "c=" + std::string(kGs2HeaderBase64) + ",r=" + attribute(server_first, 'r');
  std::string signed_text = first_bare_ + ',' + std::string(server_first) + ',' + without_proof;
  std::string proof = exclusive_or(client_key, hmac(sha256(client_key), signed_text));
  return without_proof + ",p=" + to_base64(proof);
}

ScramServer::ScramServer(std::string_view verifier) {
  constexpr std::string_view kPrefix = "SCRAM-SHA-256$";
  size_t colon = verifier.find(':');
  size_t dollar = verifier.find('$', kPrefix.size());
  size_t last_colon = verifier.rfind(':');
  if (!verifier.starts_with(kPrefix) || dollar == verifier.npos || colon > dollar) {
    die_plain("not a SCRAM verifier");
  }
  std::string iterations(verifier.substr(kPrefix.size(), colon - kPrefix.size()));
  std::string salt(verifier.substr(colon + 1, dollar - colon - 1));
  salt_and_iterations_ = "s=" + salt + ",i=" + iterations;
  stored_key_ = from_base64(verifier.substr(dollar + 1, last_colon - dollar - 1));
  server_key_ = from_base64(verifier.substr(last_colon + 1));
}

std::string ScramServer::first(std::string_view client_first) {
  client_first_bare_ = client_first.substr(client_first.find("n=", kGs2Header.size()));
  server_first_ =
      "r=" + attribute(client_first_bare_, 'r') + new_nonce() + ',' + salt_and_iterations_;
  return server_first_;
}

std::optional<std::string> ScramServer::final(std::string_view client_final) const {
  std::string_view without_proof = client_final.substr(0, client_final.rfind(",p="));
  std::string signed_text =
      client_first_bare_ + ',' + server_first_ + ',' + std::string(without_proof);
  std::string client_key =
      exclusive_or(from_base64(attribute(client_final, 'p')), hmac(stored_key_, signed_text));
  if (sha256(client_key) != stored_key_) return std::nullopt;
  return "v=" + to_base64(hmac(server_key_, signed_text));
}

}  // namespace trunkline::bench
