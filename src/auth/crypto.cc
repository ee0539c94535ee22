#include "auth/crypto.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdlib>
#include <memory>
#include <openssl/evp.h>

namespace trunkline::auth {

namespace {

// OpenSSL 3 looks algorithms up by name, under a lock, each time they are not fetched beforehand.
// SHA-256 missing means a broken installation: nothing that follows could be safe.
const EVP_MD* fetched_sha256() {
  static const EVP_MD* digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (digest == nullptr) std::abort();
  return digest;
}

// SHA-256 of what comes in pieces, one at a time. Its context is the thread's: making one costs
// more than hashing a few hundred bytes.
class Sha256 {
 public:
  Sha256() : context_(own_context()) { restart(); }

  Sha256& update(std::string_view data) {
    if (EVP_DigestUpdate(context_, data.data(), data.size()) != 1) std::abort();
    return *this;
  }
  // To begin anew: nothing of what was hashed stays in the context.
  void finish(Digest& digest) {
    auto* out = reinterpret_cast<unsigned char*>(digest.span().data());
    if (EVP_DigestFinal_ex(context_, out, nullptr) != 1) std::abort();
    restart();
  }

 private:
  static EVP_MD_CTX* own_context() {
    thread_local std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                                 &EVP_MD_CTX_free);
    if (context == nullptr) std::abort();
    return context.get();
  }
  void restart() {
    if (EVP_DigestInit_ex(context_, fetched_sha256(), nullptr) != 1) std::abort();
  }

  EVP_MD_CTX* const context_;
};

auto as_bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

std::optional<size_t> decoded_size(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  return text.size() / 4 * 3 - padding;
}

}  // namespace

Digest& Digest::operator^=(std::string_view other) {
  assert(other.size() == bytes_.size());
  for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = static_cast<char>(bytes_[i] ^ other[i]);
  return *this;
}

Digest sha256(std::string_view data) {
  Digest digest;
  Sha256().update(data).finish(digest);
  return digest;
}

// RFC 2104. OpenSSL's own takes a context for each key, and several copies of it.
Digest hmac_sha256(std::string_view key, std::string_view data) {
  constexpr size_t kBlockBytes = 64;
  constexpr char kInner = 0x36;
  constexpr char kOuter = 0x5c;
  Digest short_key;
  if (key.size() > kBlockBytes) {
    short_key = sha256(key);
    key = short_key.view();
  }
  std::array<char, kBlockBytes> pad{};
  std::ranges::copy(key, pad.begin());
  Digest digest;
  Sha256 hash;
  for (char& each : pad) each ^= kInner;
  hash.update({pad.data(), pad.size()}).update(data).finish(digest);
  for (char& each : pad) each ^= kInner ^ kOuter;
  hash.update({pad.data(), pad.size()}).update(digest.view()).finish(digest);
  wipe(pad.data(), pad.size());
  return digest;
}

Digest pbkdf2_sha256(std::string_view password, std::string_view salt, uint32_t iterations) {
  Digest digest;
  auto* out = reinterpret_cast<unsigned char*>(digest.span().data());
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), as_bytes(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations),
                        fetched_sha256(), kSha256Bytes, out) != 1)
    std::abort();
  return digest;
}

Secret md5_hex(std::string_view data) {
  unsigned char raw[16];
  if (EVP_Digest(data.data(), data.size(), raw, nullptr, EVP_md5(), nullptr) != 1) return {};
  char hex[32];
  for (size_t i = 0; i < sizeof raw; ++i) {
    hex[2 * i] = "0123456789abcdef"[raw[i] >> 4];
    hex[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
  }
  Secret text(std::string_view(hex, sizeof hex));
  wipe(raw, sizeof raw);
  wipe(hex, sizeof hex);
  return text;
}

std::string base64_encode(std::string_view data) {
  std::string text;
  text.reserve((data.size() + 2) / 3 * 4);
  for (size_t at = 0; at < data.size(); at += 3) {
    uint32_t group = 0;
    size_t bytes = std::min<size_t>(3, data.size() - at);
    for (size_t i = 0; i < 3; ++i)
      group = group << 8 | (i < bytes ? static_cast<unsigned char>(data[at + i]) : 0U);
    for (size_t i = 0; i < 4; ++i) text += i <= bytes ? kAlphabet[group >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

bool base64_decode_exactly(std::string_view text, std::span<char> to) {
  if (decoded_size(text) != to.size()) return false;
  for (size_t at = 0, written = 0; at < text.size(); at += 4) {
    size_t bytes = std::min<size_t>(3, to.size() - written);
    uint32_t group = 0;
    for (size_t i = 0; i < 4; ++i) {
      int value = i <= bytes ? base64_value(text[at + i]) : 0;
      if (value < 0) return false;
      group = group << 6 | static_cast<uint32_t>(value);
    }
    if (bytes < 3 && (group & ((1U << (24 - 8 * bytes)) - 1)) != 0) return false;
    for (size_t i = 0; i < bytes; ++i) to[written++] = static_cast<char>(group >> (16 - 8 * i));
  }
  return true;
}

std::optional<std::string> base64_decode(std::string_view text) {
  std::optional<size_t> size = decoded_size(text);
  if (!size) return std::nullopt;
  std::string data(*size, '\0');
  if (!base64_decode_exactly(text, data)) return std::nullopt;
  return data;
}

}  // namespace trunkline::auth
