#include "tls/client_hello.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "tls/host_name.h"

namespace trunkline::tls {

namespace {

constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kFragmentBytesMax = 1 << 14;
constexpr size_t kMessageHeaderBytes = 4;
constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kClientHelloMessage = 1;
constexpr size_t kRandomBytes = 32;
constexpr size_t kSessionIdBytesMax = 32;
constexpr uint16_t kServerNameExtension = 0;  // RFC 6066, 3
constexpr uint16_t kAlpnExtension = 16;       // RFC 7301, 3.1
constexpr uint8_t kHostNameType = 0;

// A vector of TLS: its length in a `Length`, then that many bytes (RFC 8446, 3.4).
template <typename Length>
std::optional<std::string_view> read_vector(ByteReader& reader) {
  auto bytes = reader.read<Length>();
  return bytes ? reader.read_bytes(*bytes) : std::nullopt;
}

bool parse_server_name(std::string_view body, ClientHello& hello) {
  ByteReader reader(body);
  auto list = read_vector<uint16_t>(reader);
  if (!list || list->empty() || !reader.at_end()) return false;
  for (ByteReader names(*list); !names.at_end();) {
    auto type = names.read<uint8_t>();
    auto name = read_vector<uint16_t>(names);
    if (!type || !name) return false;
    if (*type != kHostNameType) continue;
    auto host = normalize_host_name(*name);
    // Two names of one type are forbidden, and whom to believe would be a guess.
    if (!host || !hello.sni.empty()) return false;
    hello.sni = std::move(*host);
  }
  return true;
}

bool parse_alpn(std::string_view body, ClientHello& hello) {
  ByteReader reader(body);
  auto list = read_vector<uint16_t>(reader);
  if (!list || list->empty() || !reader.at_end()) return false;
  for (ByteReader protocols(*list); !protocols.at_end();) {
    auto protocol = read_vector<uint8_t>(protocols);
    if (!protocol || protocol->empty()) return false;
    hello.alpn.emplace_back(*protocol);
  }
  return true;
}

bool parse_extensions(std::string_view extensions, ClientHello& hello) {
  bool seen_server_name = false;
  bool seen_alpn = false;
  for (ByteReader reader(extensions); !reader.at_end();) {
    auto type = reader.read<uint16_t>();
    auto body = read_vector<uint16_t>(reader);
    if (!type || !body) return false;
    if (*type == kServerNameExtension) {
      if (std::exchange(seen_server_name, true) || !parse_server_name(*body, hello)) return false;
    } else if (*type == kAlpnExtension) {
      if (std::exchange(seen_alpn, true) || !parse_alpn(*body, hello)) return false;
    }
  }
  return true;
}

// RFC 8446, 4.1.2.
bool parse_body(std::string_view body, ClientHello& hello) {
  ByteReader reader(body);
  auto version = reader.read<uint16_t>();
  if (!version || !reader.read_bytes(kRandomBytes)) return false;
  hello.legacy_version = *version;
  auto session_id = read_vector<uint8_t>(reader);
  if (!session_id || session_id->size() > kSessionIdBytesMax) return false;
  auto cipher_suites = read_vector<uint16_t>(reader);
  if (!cipher_suites || cipher_suites->empty() || cipher_suites->size() % 2 != 0) return false;
  auto compressions = read_vector<uint8_t>(reader);
  if (!compressions || compressions->empty()) return false;
  if (reader.at_end()) return true;  // TLS 1.2 allows a hello without extensions
  auto extensions = read_vector<uint16_t>(reader);
  return extensions && reader.at_end() && parse_extensions(*extensions, hello);
}

}  // namespace

ClientHelloParser::Status ClientHelloParser::feed(std::string_view bytes) {
  while (status_ == Status::need_more && !bytes.empty()) {
    if (fragment_left_ == 0) {
      status_ = take_record_header(bytes);
    } else {
      take_fragment(bytes);
      status_ = parse_when_complete();
    }
  }
  if (status_ != Status::need_more) {
    header_ = {};
    message_ = {};
  }
  return status_;
}

ClientHelloParser::Status ClientHelloParser::take_record_header(std::string_view& bytes) {
  bool first = record_bytes_ == 0;
  size_t count = std::min(bytes.size(), kRecordHeaderBytes - header_.size());
  header_.append(bytes.substr(0, count));
  bytes.remove_prefix(count);

  Status wrong = first ? Status::not_tls : Status::malformed;
  if (static_cast<uint8_t>(header_[0]) != kHandshakeRecord) return wrong;
  // The major version; the minor one says nothing since TLS 1.3 (RFC 8446, 5.1).
  if (header_.size() > 1 && header_[1] != 3) return wrong;
  if (header_.size() < kRecordHeaderBytes) return Status::need_more;

  fragment_left_ = load_big_endian<uint16_t>(header_.data() + 3);
  header_.clear();
  if (fragment_left_ == 0 || fragment_left_ > kFragmentBytesMax) return Status::malformed;
  record_bytes_ += kRecordHeaderBytes + fragment_left_;
  return record_bytes_ > kClientHelloBytesMax ? Status::too_large : Status::need_more;
}

void ClientHelloParser::take_fragment(std::string_view& bytes) {
  size_t count = std::min(bytes.size(), fragment_left_);
  message_.append(bytes.substr(0, count));
  bytes.remove_prefix(count);
  fragment_left_ -= count;
}

ClientHelloParser::Status ClientHelloParser::parse_when_complete() {
  if (static_cast<uint8_t>(message_[0]) != kClientHelloMessage) return Status::malformed;
  if (message_.size() < kMessageHeaderBytes) return Status::need_more;
  // The type is 1, so that its byte and the three of the length make one number.
  size_t length = load_big_endian<uint32_t>(message_.data()) & 0xffffff;
  if (length > kClientHelloBytesMax) return Status::too_large;
  if (message_.size() < kMessageHeaderBytes + length) return Status::need_more;
  std::string_view body = std::string_view(message_).substr(kMessageHeaderBytes, length);
  return parse_body(body, hello_) ? Status::done : Status::malformed;
}

}  // namespace trunkline::tls
