#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace trunkline::tls {

// All bytes of the records that hold the ClientHello, their headers included: what a session that
// passes TLS through must keep for the replay.
inline constexpr size_t kClientHelloBytesMax = 64 * 1024;

// What a client says before anything is encrypted.
struct ClientHello {
  std::string sni;                // normalized host name; empty when the client names none
  std::vector<std::string> alpn;  // in the client's order of preference
  uint16_t legacy_version = 0;    // 0x0303 for TLS 1.2 and 1.3
};

// Reads the first TLS records of a client as they arrive, without decrypting or answering: the
// ClientHello may be cut anywhere by TCP and by records (RFC 8446, 5.1). Bytes behind it are not
// looked at. Plain data for one thread; holds at most `kClientHelloBytesMax`.
class ClientHelloParser {
 public:
  enum class Status : uint8_t {
    need_more,
    done,
    not_tls,    // the first record is no TLS handshake
    malformed,  // TLS, but no ClientHello, or one that breaks its own lengths
    too_large,  // longer than kClientHelloBytesMax
  };

  // Once the answer is not `need_more` it stays.
  Status feed(std::string_view bytes);

  // After `done`.
  const ClientHello& hello() const { return hello_; }

 private:
  Status take_record_header(std::string_view& bytes);
  void take_fragment(std::string_view& bytes);
  Status parse_when_complete();

  Status status_ = Status::need_more;
  std::string header_;        // of the record, as far as it has come
  size_t fragment_left_ = 0;  // bytes of the record that have not come
  size_t record_bytes_ = 0;   // headers and announced fragments up to here
  std::string message_;       // the handshake message, without record headers
  ClientHello hello_;
};

}  // namespace trunkline::tls
