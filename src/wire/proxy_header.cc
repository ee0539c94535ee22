#include "wire/proxy_header.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/bytes.h"

namespace trunkline::wire {
namespace {

using State = ProxyHeaderResult::State;
using namespace std::string_view_literals;

constexpr std::string_view kV1Start = "PROXY ";
constexpr std::string_view kV2Signature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr size_t kV2FixedBytes = 16;

constexpr ProxyHeaderResult kMalformed{.state = State::malformed};

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

// Cuts the next word off a line whose words are parted by single spaces.
std::string_view next_word(std::string_view& line) {
  size_t space = std::min(line.find(' '), line.size());
  std::string_view word = line.substr(0, space);
  line.remove_prefix(std::min(space + 1, line.size()));
  return word;
}

std::optional<ProxyHeader> parse_v1_line(std::string_view line) {
  line.remove_prefix(kV1Start.size());
  std::string_view family = next_word(line);
  if (family == "UNKNOWN") return ProxyHeader{};
  if (family != "TCP4" && family != "TCP6") return std::nullopt;
  bool colons = family == "TCP6";
  std::string_view source_text = next_word(line);
  std::string_view destination_text = next_word(line);
  if (source_text.contains(':') != colons || destination_text.contains(':') != colons) {
    return std::nullopt;
  }
  std::optional<IpAddress> source = IpAddress::parse(source_text);
  std::optional<IpAddress> destination = IpAddress::parse(destination_text);
  std::optional<uint16_t> source_port = parse_port(next_word(line));
  std::optional<uint16_t> destination_port = parse_port(line);
  if (!source || !destination || !source_port || !destination_port) return std::nullopt;
  return ProxyHeader{.has_addresses = true,
                     .source = *source,
                     .destination = *destination,
                     .source_port = *source_port,
                     .destination_port = *destination_port};
}

ProxyHeaderResult parse_v1(std::string_view pending) {
  size_t end = pending.substr(0, kProxyV1BytesMax).find("\r\n");
  if (end == std::string_view::npos) {
    return pending.size() < kProxyV1BytesMax ? ProxyHeaderResult{} : kMalformed;
  }
  std::optional<ProxyHeader> header = parse_v1_line(pending.substr(0, end));
  if (!header) return kMalformed;
  return {.state = State::complete, .bytes = end + 2, .header = *header};
}

std::optional<ProxyHeader> parse_v2_addresses(uint8_t family_and_transport, std::string_view body) {
  constexpr uint8_t kTcp4 = 0x11;
  constexpr uint8_t kTcp6 = 0x21;
  constexpr uint8_t kUnspecified = 0x00;
  constexpr uint8_t kUnixStream = 0x31;
  if (family_and_transport == kUnspecified || family_and_transport == kUnixStream) {
    return ProxyHeader{};
  }
  if (family_and_transport != kTcp4 && family_and_transport != kTcp6) return std::nullopt;
  bool v4 = family_and_transport == kTcp4;
  size_t address_bytes = v4 ? 4 : 16;
  ByteReader reader(body);
  std::optional<std::string_view> source = reader.read_bytes(address_bytes);
  std::optional<std::string_view> destination = reader.read_bytes(address_bytes);
  std::optional<uint16_t> source_port = reader.read<uint16_t>();
  std::optional<uint16_t> destination_port = reader.read<uint16_t>();
  if (reader.failed()) return std::nullopt;
  auto address = v4 ? IpAddress::v4 : IpAddress::v6;
  return ProxyHeader{.has_addresses = true,
                     .source = address(source->data()),
                     .destination = address(destination->data()),
                     .source_port = *source_port,
                     .destination_port = *destination_port};
}

ProxyHeaderResult parse_v2(std::string_view pending) {
  constexpr uint8_t kLocal = 0x20;
  constexpr uint8_t kProxy = 0x21;
  if (pending.size() < kV2FixedBytes) return {};
  uint8_t version_and_command = static_cast<uint8_t>(pending[12]);
  if (version_and_command != kLocal && version_and_command != kProxy) return kMalformed;
  size_t bytes = kV2FixedBytes + load_big_endian<uint16_t>(pending.data() + 14);
  if (bytes > kProxyV2BytesMax) return kMalformed;
  if (pending.size() < bytes) return {};
  ProxyHeaderResult result{.state = State::complete, .bytes = bytes};
  if (version_and_command == kLocal) return result;
  std::optional<ProxyHeader> header = parse_v2_addresses(
      static_cast<uint8_t>(pending[13]), pending.substr(kV2FixedBytes, bytes - kV2FixedBytes));
  if (!header) return kMalformed;
  result.header = *header;
  return result;
}

}  // namespace

ProxyHeaderResult parse_proxy_header(std::string_view pending) {
  auto begins = [&](std::string_view start) {
    return pending.starts_with(start.substr(0, pending.size()));
  };
  if (begins(kV2Signature)) return parse_v2(pending);
  if (begins(kV1Start)) return parse_v1(pending);
  return kMalformed;
}

}  // namespace trunkline::wire
