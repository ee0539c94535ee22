#include "tls/context.h"

#include <algorithm>
#include <fstream>

#include "tls/fixture_for_tests.h"
#include "tls/pem.h"

namespace trunkline::tls {
namespace {

using config::ClientCertificate;
using config::ServerTlsMode;

struct ContextTest : TlsTest {
  void write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder.file(name), std::ios::binary) << bytes;
  }

  // "key: text" of each finding, with the folder's name cut out.
  std::vector<std::string> lines(const std::vector<config::Problem>& problems) {
    std::vector<std::string> out;
    std::string path = folder.file("");
    for (const auto& problem : problems) {
      std::string line = problem.key + ": " + problem.text;
      for (size_t at; (at = line.find(path)) != std::string::npos;) line.erase(at, path.size());
      out.push_back(line);
    }
    return out;
  }

  std::vector<std::string> client_errors() {
    Findings findings;
    auto context = ClientContext::compile(listen, "tls", findings);
    EXPECT_EQ(context == nullptr, !findings.errors.empty());
    warnings = lines(findings.warnings);
    return lines(findings.errors);
  }

  std::vector<std::string> server_errors() {
    Findings findings;
    auto context = ServerContext::compile(server, "tls", findings);
    EXPECT_EQ(context == nullptr, !findings.errors.empty());
    warnings = lines(findings.warnings);
    return lines(findings.errors);
  }

  std::vector<std::string> warnings;
};

using Lines = std::vector<std::string>;

TEST_F(ContextTest, missing_files_are_named_all_at_once) {
  serve("nowhere");
  listen.client_certificate = ClientCertificate::require;
  listen.client_ca_file = folder.file("no.crt");
  EXPECT_EQ(client_errors(), (Lines{"tls.client_ca: no.crt does not exist",
                                    "tls.certificates[0].cert: nowhere.crt does not exist",
                                    "tls.certificates[0].key: nowhere.key does not exist"}));
}

TEST_F(ContextTest, files_that_hold_something_else_are_told) {
  issue_and_serve("db.example");
  write("server.key", "not a key");
  EXPECT_EQ(client_errors(),
            (Lines{"tls.certificates[0].key: server.key holds no private key in PEM form"}));
  write("server.crt", "");
  write("server.key", "");
  EXPECT_EQ(client_errors(),
            (Lines{"tls.certificates[0].cert: server.crt holds no certificate in PEM form",
                   "tls.certificates[0].key: server.key holds no private key in PEM form"}));
  write("server.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  EXPECT_TRUE(client_errors()[0].starts_with(
      "tls.certificates[0].cert: server.crt holds a damaged certificate: "));
}

TEST_F(ContextTest, a_file_may_fill_its_bound_and_not_pass_it) {
  issue_and_serve("db.example");
  std::ifstream in(folder.file("server.crt"));
  std::string pem((std::istreambuf_iterator<char>(in)), {});
  pem.resize(kPemFileBytesMax, '\n');
  write("server.crt", pem);
  EXPECT_EQ(client_errors(), Lines{});
  write("server.crt", pem + "\n");
  EXPECT_EQ(client_errors(),
            (Lines{"tls.certificates[0].cert: server.crt is larger than 1048576 bytes"}));
}

TEST_F(ContextTest, the_key_of_another_certificate_is_refused) {
  issue("other", {.common_name = "other"});
  issue_and_serve("db.example");
  listen.certificates[0].key_file = folder.file("other.key");
  EXPECT_EQ(client_errors(), (Lines{"tls.certificates[0].key: other.key is not the key of the "
                                    "certificate in server.crt"}));
}

TEST_F(ContextTest, a_key_with_a_passphrase_is_refused_without_asking) {
  issue_and_serve("db.example");
  KeyPtr key = make_test_key("P-256");
  std::FILE* file = std::fopen(folder.file("server.key").c_str(), "w");
  unsigned char secret[] = "secret";
  PEM_write_PrivateKey(file, key.get(), EVP_aes_128_cbc(), secret, 6, nullptr, nullptr);
  std::fclose(file);
  EXPECT_EQ(client_errors(), (Lines{"tls.certificates[0].key: server.key is protected by a "
                                    "passphrase, which cannot be asked for"}));
}

TEST_F(ContextTest, an_expired_certificate_is_only_a_warning) {
  issue("server", {.common_name = "x", .valid_from_s = -7200, .valid_until_s = -3600});
  serve("server");
  EXPECT_EQ(client_errors(), Lines{});
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_TRUE(warnings[0].starts_with("tls.certificates[0].cert: server.crt expired on 20"));

  issue("server", {.common_name = "x", .valid_from_s = 1800});
  EXPECT_EQ(client_errors(), Lines{});
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_TRUE(warnings[0].starts_with("tls.certificates[0].cert: server.crt is not valid before"));
}

TEST_F(ContextTest, names_must_be_host_names_once_and_for_all_but_the_first) {
  issue_and_serve("db.example");
  serve("server", {"*.a.example", "A.example", "*", "a b"});
  serve("server", {"a.EXAMPLE."});
  serve("server");
  EXPECT_EQ(
      client_errors(),
      (Lines{"tls.certificates[1].names: \"*\" is neither a host name nor \"*.\" and a host name",
             "tls.certificates[1].names: \"a b\" is neither a host name nor \"*.\" and a host name",
             "tls.certificates[2].names: \"a.EXAMPLE.\" is named twice",
             "tls.certificates[3].names: is missing: every certificate but the first needs host "
             "names"}));
}

TEST_F(ContextTest, client_settings_that_contradict_each_other_are_told) {
  EXPECT_EQ(client_errors(), (Lines{"tls.certificates: is missing: this mode needs at least one"}));
  issue_and_serve("db.example");
  listen.client_certificate = ClientCertificate::request;
  EXPECT_EQ(client_errors(), (Lines{"tls.client_ca: is missing: `client_certificate` needs the "
                                    "authority to verify by"}));
  listen.client_certificate = ClientCertificate::none;
  listen.client_ca_file = folder.file("ca.crt");
  EXPECT_EQ(client_errors(), Lines{});
  EXPECT_EQ(warnings, (Lines{"tls.client_ca: has no effect with `client_certificate: none`"}));
}

TEST_F(ContextTest, server_settings_that_contradict_each_other_are_told) {
  server.mode = ServerTlsMode::verify_ca;
  server.ca_file = "";
  EXPECT_EQ(server_errors().size(), 1U) << "the system's authorities vouch for anybody";
  server.mode = ServerTlsMode::verify_full;
  EXPECT_EQ(server_errors(), Lines{});

  server.negotiation = config::TlsNegotiation::direct;
  for (ServerTlsMode mode : {ServerTlsMode::allow, ServerTlsMode::prefer}) {
    server.mode = mode;
    EXPECT_EQ(server_errors(), (Lines{"tls.negotiation: `direct` needs `mode: require`, "
                                      "`verify-ca` or `verify-full`"}));
  }
  server.mode = ServerTlsMode::require;
  server.ca_file = folder.file("ca.crt");
  EXPECT_EQ(server_errors(), Lines{});
  EXPECT_EQ(warnings, (Lines{"tls.ca: has no effect with this `mode`: only verify-ca and "
                             "verify-full verify"}));

  server = {.mode = ServerTlsMode::require, .cert_file = folder.file("ca.crt")};
  EXPECT_EQ(server_errors(), (Lines{"tls.key: is missing: `cert` needs it"}));
  server = {.mode = ServerTlsMode::require, .key_file = folder.file("ca.key")};
  EXPECT_EQ(server_errors(), (Lines{"tls.cert: is missing: `key` needs it"}));
  server = {.mode = ServerTlsMode::disable};
  EXPECT_EQ(server_errors(), Lines{});
}

TEST(MatchesHost, as_libpq_does) {
  auto certificate = [](const char* common_name, const char* names) {
    return make_test_identity({.common_name = common_name, .alternative_names = names}).certificate;
  };
  auto only_cn = certificate("cn.example", "");
  EXPECT_TRUE(matches_host(*only_cn, "CN.example"));
  auto with_dns = certificate("cn.example", "DNS:a.example,DNS:*.w.example");
  EXPECT_TRUE(matches_host(*with_dns, "a.example"));
  EXPECT_FALSE(matches_host(*with_dns, "cn.example")) << "the common name no longer counts";
  EXPECT_TRUE(matches_host(*with_dns, "x.w.example"));
  EXPECT_FALSE(matches_host(*with_dns, "x.y.w.example"));
  EXPECT_FALSE(matches_host(*with_dns, "w.example"));
  auto with_ip = certificate("10.0.0.9", "IP:10.0.0.1,IP:fe80::1");
  EXPECT_TRUE(matches_host(*with_ip, "10.0.0.1"));
  EXPECT_TRUE(matches_host(*with_ip, "FE80::1"));
  EXPECT_FALSE(matches_host(*with_ip, "10.0.0.9")) << "addresses are there: not the common name";
  EXPECT_TRUE(matches_host(*certificate("10.0.0.9", ""), "10.0.0.9"));
  EXPECT_TRUE(matches_host(*certificate("x", "DNS:10.0.0.1"), "10.0.0.1"));
  EXPECT_FALSE(matches_host(*only_cn, ""));
}

TEST(Describe, does_not_believe_a_common_name_with_a_zero_byte) {
  auto forged = make_test_identity({.common_name = std::string("alice\0.evil", 11)});
  EXPECT_EQ(describe(*forged.certificate).common_name, "");
}

}  // namespace
}  // namespace trunkline::tls
