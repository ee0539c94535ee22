#include "config/reference.h"

#include <cstdlib>

#include "config/names.h"
#include "config/test_support.h"

namespace trunkline::config {
namespace {

TEST(Reference, is_what_the_documents_hold) {
  auto path = project_folder() / "docs" / "configuration.md";
  if (std::getenv("TRUNKLINE_UPDATE_DOCS") != nullptr) std::ofstream(path) << reference_markdown();
  EXPECT_TRUE(read_whole(path) == reference_markdown())
      << path << " is stale; write it anew with\n"
      << "  TRUNKLINE_UPDATE_DOCS=1 config_test --gtest_filter='Reference.*'";
}

TEST(Reference, takes_its_defaults_from_the_model) {
  EXPECT_EQ(find_key("", "login_timeout")->default_value(), "15s");
  EXPECT_EQ(find_key("", "memory_limit")->default_value(), "1GiB");
  EXPECT_EQ(find_key("upstreams.tls", "mode")->default_value(), "prefer");
  EXPECT_EQ(find_key("listen", "port")->default_value(), std::to_string(Listen{}.port));
}

TEST(Reference, holds_each_key_once) {
  for (const Key& key : all_keys()) EXPECT_EQ(find_key(key.section, key.name), &key) << key.name;
}

TEST(Reference, allows_the_words_the_loader_knows) {
  auto allowed = [](auto section, auto name) { return find_key(section, name)->allowed; };
  EXPECT_EQ(allowed("log", "level"), all_words<LogLevel>());
  EXPECT_EQ(allowed("log", "format"), all_words<LogFormat>());
  EXPECT_EQ(allowed("listen.proxy_protocol", "mode"), all_words<ProxyProtocolMode>());
  EXPECT_EQ(allowed("listen.tls", "mode"), all_words<ClientTlsMode>());
  EXPECT_EQ(allowed("listen.tls", "client_certificate"), all_words<ClientCertificate>());
  EXPECT_EQ(allowed("listen.tls", "min_version"), all_words<TlsVersion>());
  EXPECT_EQ(allowed("upstreams.tls", "mode"), all_words<ServerTlsMode>());
  EXPECT_EQ(allowed("upstreams.tls", "negotiation"), all_words<TlsNegotiation>());
  EXPECT_EQ(allowed("routes", "auth"), all_words<AuthMode>());
  EXPECT_EQ(allowed("routes", "inspect"), all_words<Inspect>());
  EXPECT_EQ(allowed("authentication", "type"), all_words<ConnectionType>());
  EXPECT_EQ(allowed("authentication", "method"), all_words<AuthMethod>());
}

}  // namespace
}  // namespace trunkline::config
