#include <gtest/gtest.h>

#include "config/names.h"
#include "config/test_support.h"

namespace trunkline::config {
namespace {

std::string tls_errors(const std::string& tls, const std::string& more = "") {
  return errors_of(kUpstream + "listen: {" + more + "tls: {" + tls + "}}\n");
}
// Without a user there is a warning of its own.
const std::string kUser = "users: [{name: a}]\n";
const std::string kUpstreamAndUser = kUser + kUpstream;
const std::string kCertificate = "certificates: [{cert: a, key: b}]";

TEST(Listen, takes_one_mapping_or_a_list_and_has_defaults) {
  Config one = config_of(kUpstream + "listen: {}\n");
  ASSERT_EQ(one.listen.size(), 1u);
  EXPECT_EQ(one.listen[0].address, "*");
  EXPECT_EQ(one.listen[0].port, 6432);
  EXPECT_EQ(one.listen[0].tls.mode, ClientTlsMode::disable);

  Config many = config_of(kUpstream + "listen: [{address: '::1'}, {address: /run, port: 1}]\n");
  ASSERT_EQ(many.listen.size(), 2u);
  EXPECT_TRUE(many.listen[1].is_unix());
  EXPECT_EQ(many.listen[1].at.line, 2);
}

TEST(Listen, reads_tls) {
  Config config = config_of(kUpstream + R"(
listen:
  tls:
    certificates:
      - { cert: a.crt, key: a.key }
      - { names: ["*.Example.com", host], cert: /b.crt, key: /b.key }
    client_certificate: require
    client_ca: ca.crt
    min_version: 1.3
)");
  const ListenTls& tls = config.listen.at(0).tls;
  EXPECT_EQ(tls.mode, ClientTlsMode::allow);  // what certificates imply
  EXPECT_EQ(tls.certificates.at(0).cert_file, "/etc/t/a.crt");
  EXPECT_EQ(tls.certificates.at(1).key_file, "/b.key");
  EXPECT_EQ(tls.certificates.at(1).names, (std::vector<std::string>{"*.example.com", "host"}));
  EXPECT_EQ(tls.client_certificate, ClientCertificate::require);
  EXPECT_EQ(tls.client_ca_file, "/etc/t/ca.crt");
  EXPECT_EQ(tls.min_version, TlsVersion::v1_3);
}

TEST(Listen, needs_certificates_where_it_ends_tls) {
  for (const std::string mode : {"allow", "require"}) {
    EXPECT_EQ(tls_errors("mode: " + mode),
              "2:15: error: listen.tls: `certificates` is missing: "
              "mode " +
                  mode + " needs at least one\n");
    EXPECT_EQ(tls_errors("mode: " + mode + ", " + kCertificate), "");
  }
  EXPECT_EQ(tls_errors("mode: passthrough"), "");
  EXPECT_EQ(tls_errors("mode: disable"), "");
  EXPECT_EQ(tls_errors("certificates: [{cert: a}]"),
            "2:31: error: listen.tls.certificates[0]: the key `key` is missing here\n");
  EXPECT_EQ(tls_errors("certificates: [{key: a}]"),
            "2:31: error: listen.tls.certificates[0]: the key `cert` is missing here\n");
  EXPECT_EQ(
      warnings_of(kUpstreamAndUser + "listen: {tls: {mode: disable, " + kCertificate + "}}\n"),
      "/etc/t/t.yaml:3:45: warning: listen.tls.certificates: not used in mode disable\n");
}

TEST(Listen, needs_to_know_whose_client_certificates_to_believe) {
  EXPECT_EQ(tls_errors(kCertificate + ", client_certificate: request"),
            "2:15: error: listen.tls: `client_ca` is missing: client_certificate needs to know "
            "whom to trust\n");
  EXPECT_EQ(tls_errors(kCertificate + ", client_certificate: request, client_ca: c"), "");
  EXPECT_EQ(tls_errors("mode: passthrough, client_certificate: request, client_ca: c"),
            "2:55: error: listen.tls.client_certificate: needs mode allow or require, not "
            "passthrough\n");
  EXPECT_EQ(warnings_of(kUpstreamAndUser + "listen: {tls: {client_ca: c}}\n"),
            "/etc/t/t.yaml:3:27: warning: listen.tls.client_ca: not used while "
            "`client_certificate` is none\n");
}

TEST(Listen, has_no_tls_on_a_unix_socket) {
  EXPECT_EQ(tls_errors("mode: require, " + kCertificate, "address: /run, "),
            "2:30: error: listen.tls: found mode require; clients do not speak TLS on a unix "
            "socket, so only disable is allowed\n");
  EXPECT_EQ(tls_errors("mode: disable", "address: /run, "), "");
}

TEST(Listen, bounds_the_folder_of_a_unix_socket) {
  auto folder = [](size_t bytes) { return "/" + std::string(bytes - 1, 'x'); };
  EXPECT_EQ(errors_of(kUpstream + "listen: {address: " + folder(92) + "}\n"), "");
  EXPECT_EQ(
      errors_of(kUpstream + "listen: {address: " + folder(93) + "}\n"),
      "2:19: error: listen.address: the path of a unix socket's folder has at most 92 bytes\n");
}

TEST(Listen, believes_proxy_headers_only_of_whom_it_is_told) {
  auto with = [](const std::string& lines) { return kUpstream + "listen: {" + lines + "}\n"; };
  Config config = config_of(with("proxy_protocol: {mode: require, from: [10.0.0.0/8, '::1']}"));
  EXPECT_EQ(config.listen[0].proxy_protocol.mode, ProxyProtocolMode::require);
  EXPECT_EQ(config.listen[0].proxy_protocol.from.size(), 2u);
  EXPECT_EQ(errors_of(with("proxy_protocol: {mode: accept}")),
            "2:26: error: listen.proxy_protocol: `from` is missing: on TCP it must say whose PROXY "
            "headers to believe, such as [10.0.0.0/8]\n");
  EXPECT_EQ(errors_of(with("address: /run, proxy_protocol: {mode: accept}")), "");
  EXPECT_EQ(errors_of(with("address: /run, proxy_protocol: {mode: accept, from: 10.0.0.0/8}")),
            "2:62: error: listen.proxy_protocol.from: has no meaning on a unix socket\n");
  EXPECT_EQ(warnings_of(kUser + with("proxy_protocol: {from: 10.0.0.0/8}")),
            "/etc/t/t.yaml:3:33: warning: listen.proxy_protocol.from: not used while `mode` is "
            "off\n");
}

TEST(Listen, refuses_two_listeners_at_one_place) {
  EXPECT_EQ(errors_of(kUpstream + "listen: [{port: 1}, {port: 2}, {port: 1}]\n"),
            "2:32: error: listen[2]: another listener has the same address and port\n");
  EXPECT_EQ(errors_of(kMinimal + "admin: {port: 6432}\n"),
            "1:9: error: listen: `admin` has the same address and port\n");
  EXPECT_EQ(errors_of(kMinimal + "admin: {}\n"), "");
}

TEST(Listen, reads_admin_and_metrics) {
  Config config = config_of(kMinimal + "admin: {address: '*', port: 9}\nmetrics: {prefix: pg_1}\n");
  EXPECT_EQ(config.admin->address, "*");
  EXPECT_EQ(config.admin->port, 9);
  EXPECT_EQ(config.metrics_prefix, "pg_1");
  EXPECT_FALSE(config_of(kMinimal).admin.has_value());
  EXPECT_NE(errors_of(kMinimal + "metrics: {prefix: 1pg}\n"), "");
}

}  // namespace
}  // namespace trunkline::config
