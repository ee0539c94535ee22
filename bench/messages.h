#pragma once

#include <arpa/inet.h>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// Just enough of the protocol (PostgreSQL documentation, 55.7) for the measuring instruments.
namespace trunkline::bench {

constexpr size_t kHeaderBytes = 5;  // type and length
constexpr uint32_t kSslRequest = 80877103;
constexpr uint32_t kGssEncRequest = 80877104;
constexpr uint32_t kCancelRequest = 80877102;
constexpr uint32_t kProtocol30 = 196608;

enum AuthCode : uint32_t {
  kAuthOk = 0,
  kAuthSasl = 10,
  kAuthSaslContinue = 11,
  kAuthSaslFinal = 12
};

inline uint32_t load_u32(const char* from) {
  uint32_t value = 0;
  std::memcpy(&value, from, sizeof value);
  return ntohl(value);
}

inline std::string u32(size_t value) {
  uint32_t network = htonl(static_cast<uint32_t>(value));
  return {reinterpret_cast<const char*>(&network), sizeof network};
}

inline std::string u16(size_t value) {
  uint16_t network = htons(static_cast<uint16_t>(value));
  return {reinterpret_cast<const char*>(&network), sizeof network};
}

inline std::string c_string(std::string_view text) {
  return std::string(text) + '\0';
}

inline std::string message(char type, std::string_view body) {
  return std::string(1, type) + u32(body.size() + 4) + std::string(body);
}

// Startup, SSLRequest and cancel packets have no type.
inline std::string packet(std::string_view body) {
  return u32(body.size() + 4) + std::string(body);
}

}  // namespace trunkline::bench
