#include "tls/client_hello.h"

#include <gtest/gtest.h>
#include <memory>
#include <openssl/ssl.h>

#include "base/bytes.h"
#include "tls/host_name.h"

namespace trunkline::tls {
namespace {

using Status = ClientHelloParser::Status;

// What OpenSSL, as a client, says first.
std::string real_hello(const char* host, std::string_view alpn_wire) {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                            SSL_CTX_free);
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), SSL_free);
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
  if (host != nullptr) SSL_set_tlsext_host_name(ssl.get(), host);
  SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(alpn_wire.data()),
                      static_cast<unsigned>(alpn_wire.size()));
  SSL_connect(ssl.get());
  char* data = nullptr;
  long size = BIO_get_mem_data(out, &data);
  return std::string(data, static_cast<size_t>(size));
}

constexpr std::string_view kPostgresql = "\x0apostgresql";

template <typename Length>
std::string vector_of(std::string_view bytes) {
  std::string out;
  append_big_endian(out, static_cast<Length>(bytes.size()));
  return out.append(bytes);
}

std::string extension(uint16_t type, std::string_view body) {
  std::string out;
  append_big_endian(out, type);
  return out + vector_of<uint16_t>(body);
}

std::string server_name(std::string_view host) {
  return extension(0, vector_of<uint16_t>(std::string(1, '\0') + vector_of<uint16_t>(host)));
}

std::string message(std::string_view extensions) {
  std::string body = "\x03\x03" + std::string(32, 'r') + vector_of<uint8_t>("") +
                     vector_of<uint16_t>("\x13\x01") + vector_of<uint8_t>(std::string(1, '\0')) +
                     vector_of<uint16_t>(extensions);
  std::string out;
  append_big_endian(out, static_cast<uint32_t>(body.size() | 1U << 24));
  return out + body;
}

std::string records(std::string_view message, size_t fragment_bytes) {
  std::string out;
  while (!message.empty()) {
    std::string_view fragment = message.substr(0, fragment_bytes);
    out += "\x16\x03\x01" + vector_of<uint16_t>(fragment);
    message.remove_prefix(fragment.size());
  }
  return out;
}

Status feed_whole(std::string_view bytes) {
  return ClientHelloParser().feed(bytes);
}

TEST(ClientHello, names_the_host_and_the_protocols_of_a_real_client) {
  ClientHelloParser parser;
  ASSERT_EQ(parser.feed(real_hello("Db.Example.COM", "\x0apostgresql\x08http/1.1")), Status::done);
  EXPECT_EQ(parser.hello().sni, "db.example.com");
  EXPECT_EQ(parser.hello().alpn, (std::vector<std::string>{"postgresql", "http/1.1"}));
  EXPECT_EQ(parser.hello().legacy_version, 0x0303);
}

TEST(ClientHello, may_name_neither_host_nor_protocol) {
  ClientHelloParser parser;
  ASSERT_EQ(parser.feed(real_hello(nullptr, "")), Status::done);
  EXPECT_EQ(parser.hello().sni, "");
  EXPECT_TRUE(parser.hello().alpn.empty());
}

TEST(ClientHello, is_found_when_cut_at_every_point_by_tcp) {
  std::string bytes = real_hello("a.example", kPostgresql);
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    ClientHelloParser parser;
    ASSERT_EQ(parser.feed(bytes.substr(0, cut)), Status::need_more) << cut;
    ASSERT_EQ(parser.feed(bytes.substr(cut)), Status::done) << cut;
    ASSERT_EQ(parser.hello().sni, "a.example");
  }
}

TEST(ClientHello, is_found_in_records_of_every_size_byte_by_byte) {
  std::string hello = message(server_name("a.example"));
  for (size_t fragment = 1; fragment <= hello.size(); ++fragment) {
    std::string bytes = records(hello, fragment);
    ClientHelloParser parser;
    for (size_t i = 0; i < bytes.size(); ++i) {
      Status expected = i + 1 < bytes.size() ? Status::need_more : Status::done;
      ASSERT_EQ(parser.feed(bytes.substr(i, 1)), expected) << fragment << " at " << i;
    }
    ASSERT_EQ(parser.hello().sni, "a.example");
  }
}

TEST(ClientHello, keeps_its_answer_and_ignores_what_follows) {
  ClientHelloParser parser;
  std::string bytes = records(message(server_name("a.example")), 1000);
  EXPECT_EQ(parser.feed(bytes + "anything"), Status::done);
  EXPECT_EQ(parser.feed("more"), Status::done);
  EXPECT_EQ(parser.hello().sni, "a.example");
}

TEST(ClientHello, may_fill_the_bound_and_not_pass_it) {
  // 64 KiB in records of 16,000 bytes are five record headers.
  auto with_total = [](size_t total) {
    size_t fixed = message("").size() + 4 + 5 * 5;
    return records(message(extension(0xfafa, std::string(total - fixed, 'x'))), 16000);
  };
  ASSERT_EQ(with_total(kClientHelloBytesMax).size(), kClientHelloBytesMax);
  EXPECT_EQ(feed_whole(with_total(kClientHelloBytesMax)), Status::done);
  EXPECT_EQ(feed_whole(with_total(kClientHelloBytesMax + 1)), Status::too_large);
}

TEST(ClientHello, that_announces_too_much_is_refused_at_once) {
  EXPECT_EQ(feed_whole(std::string("\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9)), Status::too_large);
}

TEST(ClientHello, in_tiny_records_counts_their_headers_too) {
  std::string bytes = records(message(extension(0xfafa, std::string(12000, 'x'))), 1);
  EXPECT_GT(bytes.size(), kClientHelloBytesMax);
  EXPECT_EQ(feed_whole(bytes), Status::too_large);
}

TEST(ClientHello, is_told_from_what_is_not_tls) {
  EXPECT_EQ(feed_whole("GET / HTTP/1.1\r\n"), Status::not_tls);
  EXPECT_EQ(feed_whole(std::string("\x00", 1)), Status::not_tls);
  EXPECT_EQ(feed_whole("\x16\x02"), Status::not_tls);
  EXPECT_EQ(feed_whole("\x15\x03\x01"), Status::not_tls);
  EXPECT_EQ(feed_whole("\x16"), Status::need_more);
}

TEST(ClientHello, with_wrong_records_is_malformed) {
  EXPECT_EQ(feed_whole(std::string("\x16\x03\x01\x00\x00", 5)), Status::malformed) << "empty";
  EXPECT_EQ(feed_whole("\x16\x03\x01\x40\x01"), Status::malformed) << "longer than 2^14";
  EXPECT_EQ(feed_whole(std::string("\x16\x03\x01\x40\x00", 5)), Status::need_more);
  EXPECT_EQ(feed_whole(std::string("\x16\x03\x01\x00\x01\x02", 6)), Status::malformed) << "type";
  std::string bytes = records(message(""), 10);
  bytes[15] = 23;  // the type of the second record
  EXPECT_EQ(feed_whole(bytes), Status::malformed);
}

TEST(ClientHello, with_any_inner_length_wrong_is_malformed_or_unfinished) {
  std::string good =
      message(server_name("a.example") + extension(16, vector_of<uint16_t>("\x01x")));
  ASSERT_EQ(feed_whole(records(good, 1000)), Status::done);
  // Lengths: session id, cipher suites, compression, extensions, then those of SNI and ALPN.
  for (size_t at : {38, 40, 43, 46, 50, 52, 55, 68, 70, 71}) {
    for (int delta : {-1, 1}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] + delta);
      EXPECT_EQ(feed_whole(records(bad, 1000)), Status::malformed) << at << " by " << delta;
    }
  }
  for (size_t cut = 5; cut < good.size(); ++cut) {
    std::string bad = good.substr(0, cut);
    store_big_endian(bad.data(), static_cast<uint32_t>((cut - 4) | 1U << 24));
    bool whole_without_extensions = cut == 45;
    EXPECT_EQ(feed_whole(records(bad, 1000)),
              whole_without_extensions ? Status::done : Status::malformed)
        << cut;
  }
}

TEST(ClientHello, that_says_a_thing_twice_is_malformed) {
  std::string alpn = extension(16, vector_of<uint16_t>("\x01x"));
  std::string name = server_name("a.example");
  EXPECT_EQ(feed_whole(records(message(name + name), 1000)), Status::malformed);
  EXPECT_EQ(feed_whole(records(message(alpn + alpn), 1000)), Status::malformed);
  std::string entry = std::string(1, '\0') + vector_of<uint16_t>("a");
  EXPECT_EQ(feed_whole(records(message(extension(0, vector_of<uint16_t>(entry + entry))), 1000)),
            Status::malformed);
}

TEST(ClientHello, with_a_name_that_is_no_host_name_is_malformed) {
  for (std::string_view name : {"", ".", "a..b", "a/b", "a b", "*.a", "::1"}) {
    EXPECT_EQ(feed_whole(records(message(server_name(name)), 1000)), Status::malformed) << name;
  }
}

TEST(HostName, is_lower_case_without_the_final_dot) {
  EXPECT_EQ(normalize_host_name("My_DB.Example.com."), "my_db.example.com");
  EXPECT_EQ(normalize_host_name(std::string("a\0b", 3)), std::nullopt);
  EXPECT_EQ(normalize_host_name("\xc3\xa4.example"), std::nullopt);
}

TEST(HostName, has_bounds_for_labels_and_the_whole) {
  EXPECT_TRUE(normalize_host_name(std::string(kHostLabelBytesMax, 'a')));
  EXPECT_FALSE(normalize_host_name(std::string(kHostLabelBytesMax + 1, 'a')));
  std::string longest;
  while (longest.size() < kHostNameBytesMax - 1) longest += "a.";
  EXPECT_TRUE(normalize_host_name(longest + "a"));
  EXPECT_FALSE(normalize_host_name(longest + "aa"));
}

TEST(HostName, wildcard_stands_for_exactly_one_label) {
  EXPECT_TRUE(host_name_matches("*.example.com", "a.example.com"));
  EXPECT_FALSE(host_name_matches("*.example.com", "example.com"));
  EXPECT_FALSE(host_name_matches("*.example.com", "a.b.example.com"));
  EXPECT_FALSE(host_name_matches("*.example.com", ".example.com"));
  EXPECT_TRUE(host_name_matches("a.example.com", "a.example.com"));
  EXPECT_FALSE(host_name_matches("a.example.com", "b.example.com"));
}

}  // namespace
}  // namespace trunkline::tls
