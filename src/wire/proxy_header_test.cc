#include "wire/proxy_header.h"

#include <gtest/gtest.h>
#include <string>

#include "base/bytes.h"

namespace trunkline::wire {
namespace {

using State = ProxyHeaderResult::State;

std::string v2(uint8_t command, uint8_t family, std::string_view body) {
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out.push_back(static_cast<char>(command));
  out.push_back(static_cast<char>(family));
  append_big_endian(out, static_cast<uint16_t>(body.size()));
  return out.append(body);
}

const std::string kAddresses4("\x0a\0\0\1\x0a\0\0\2\x30\x39\x15\x38", 12);

// Complete with exactly its own bytes, incomplete at every cut, and blind to what follows.
ProxyHeader complete(const std::string& header) {
  for (size_t size = 0; size < header.size(); ++size) {
    EXPECT_EQ(parse_proxy_header(header.substr(0, size)).state, State::need_more) << size;
  }
  ProxyHeaderResult result = parse_proxy_header(header);
  EXPECT_EQ(result.state, State::complete) << header;
  EXPECT_EQ(result.bytes, header.size());
  ProxyHeaderResult followed = parse_proxy_header(header + "\x16\x03\x01\r\n");
  EXPECT_EQ(followed.bytes, header.size());
  EXPECT_EQ(followed.header, result.header);
  return result.header;
}

bool malformed(const std::string& bytes) {
  return parse_proxy_header(bytes).state == State::malformed;
}

TEST(ProxyHeader, ReadsVersion1) {
  ProxyHeader header = complete("PROXY TCP4 10.0.0.1 10.0.0.2 12345 5432\r\n");
  EXPECT_TRUE(header.has_addresses);
  EXPECT_EQ(header.source.to_string(), "10.0.0.1");
  EXPECT_EQ(header.destination.to_string(), "10.0.0.2");
  EXPECT_EQ(header.source_port, 12345);
  EXPECT_EQ(header.destination_port, 5432);
  EXPECT_EQ(complete("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n").source.to_string(), "2001:db8::1");
  EXPECT_FALSE(complete("PROXY UNKNOWN\r\n").has_addresses);
  EXPECT_FALSE(complete("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n").has_addresses);
}

TEST(ProxyHeader, BoundsVersion1) {
  std::string longest = "PROXY UNKNOWN ";
  longest.append(kProxyV1BytesMax - 2 - longest.size(), 'x').append("\r\n");
  EXPECT_EQ(parse_proxy_header(longest).bytes, kProxyV1BytesMax);
  longest.insert(longest.size() - 2, "x");
  EXPECT_TRUE(malformed(longest));
  EXPECT_TRUE(malformed(longest.substr(0, kProxyV1BytesMax)));
}

TEST(ProxyHeader, RefusesMalformedVersion1) {
  for (const char* bad :
       {"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "PROXY \r\n", "PROXY  UNKNOWN\r\n", "proxy ", "X",
        "GET / HTTP/1.1\r\n"}) {
    EXPECT_TRUE(malformed(bad)) << bad;
  }
}

TEST(ProxyHeader, ReadsVersion2) {
  ProxyHeader header = complete(v2(0x21, 0x11, kAddresses4));
  EXPECT_TRUE(header.has_addresses);
  EXPECT_EQ(header.source.to_string(), "10.0.0.1");
  EXPECT_EQ(header.destination.to_string(), "10.0.0.2");
  EXPECT_EQ(header.source_port, 12345);
  EXPECT_EQ(header.destination_port, 5432);
  std::string addresses6(36, '\0');
  addresses6[15] = 1;
  EXPECT_EQ(complete(v2(0x21, 0x21, addresses6)).source.to_string(), "::1");
  EXPECT_EQ(complete(v2(0x21, 0x11, kAddresses4 + std::string("\2\0\4host", 7))), header)
      << "the authority is skipped";
}

TEST(ProxyHeader, TakesTheSocketsAddressesWhereThereAreNone) {
  EXPECT_FALSE(complete(v2(0x20, 0x00, "")).has_addresses);
  EXPECT_FALSE(complete(v2(0x20, 0x11, kAddresses4)).has_addresses) << "LOCAL: a health check";
  EXPECT_FALSE(complete(v2(0x21, 0x00, "")).has_addresses);
  EXPECT_FALSE(complete(v2(0x21, 0x31, std::string(216, 'u'))).has_addresses);
}

TEST(ProxyHeader, RefusesMalformedVersion2) {
  EXPECT_TRUE(malformed(v2(0x11, 0x11, kAddresses4))) << "another version";
  EXPECT_TRUE(malformed(v2(0x22, 0x11, kAddresses4))) << "another command";
  EXPECT_TRUE(malformed(v2(0x21, 0x12, kAddresses4))) << "datagrams";
  EXPECT_TRUE(malformed(v2(0x21, 0x41, kAddresses4))) << "another family";
  EXPECT_TRUE(malformed(v2(0x21, 0x11, kAddresses4.substr(0, 11))));
  EXPECT_TRUE(malformed(v2(0x21, 0x21, std::string(35, 'x'))));
  EXPECT_TRUE(malformed("\r\n\r\nX"));
}

TEST(ProxyHeader, BoundsVersion2) {
  std::string fits = v2(0x20, 0, std::string(kProxyV2BytesMax - 16, 't'));
  EXPECT_EQ(parse_proxy_header(fits).bytes, kProxyV2BytesMax);
  EXPECT_TRUE(malformed(v2(0x20, 0, std::string(kProxyV2BytesMax - 15, 't'))));
}

}  // namespace
}  // namespace trunkline::wire
