#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "app/snapshot.h"
#include "config/print.h"
#include "config/test_support.h"
#include "lookup/metrics.h"
#include "observe/prometheus.h"
#include "policy/postgres_stats.h"
#include "pool/metrics.h"
#include "session/metrics.h"
#include "tls/certificates_for_tests.h"

// Whatever the documentation shows as a configuration is one. Of each page in the project's folder
// and in docs/:
//
//   ```yaml            a whole file: loads and compiles without an error or a warning
//   ```yaml fragment   a part of a file: without an error, once a listener and an upstream stand
//                      before it where it has none
//   ```conf NAME       the file NAME that the configurations of this page refer to
//
// Certificates are made where a configuration expects them, as far as its paths are relative.
// And the lists of metrics and of close reasons are whole, and links lead to files.
namespace trunkline::app {
namespace {

struct Block {
  std::string info;  // what stands behind the opening fence
  std::string text;
  int line;
};

std::vector<Block> blocks_of(const std::filesystem::path& page) {
  std::istringstream lines(config::read_whole(page));
  std::vector<Block> blocks;
  bool inside = false;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.starts_with("```")) {
      if (!inside) blocks.push_back({.info = line.substr(3), .text = {}, .line = number});
      inside = !inside;
    } else if (inside) {
      blocks.back().text += line + "\n";
    }
  }
  return blocks;
}

std::string whole_file(const Block& block) {
  if (block.info == "yaml") return block.text;
  auto has = [&](const std::string& key) { return ("\n" + block.text).contains("\n" + key + ":"); };
  std::string text;
  if (!has("listen")) text += config::kListen;
  if (!has("upstreams")) text += config::kUpstream;
  return text + block.text;
}

class Page {
 public:
  explicit Page(const std::filesystem::path& path) : path_(path), blocks_(blocks_of(path)) {
    for (const Block& block : blocks_) {
      if (block.info.starts_with("conf ")) files_[block.info.substr(5)] = block.text;
    }
  }

  size_t check_configurations() {
    size_t checked = 0;
    for (const Block& block : blocks_) {
      if (block.info != "yaml" && block.info != "yaml fragment") continue;
      SCOPED_TRACE(path_.string() + ":" + std::to_string(block.line));
      check(block);
      ++checked;
    }
    return checked;
  }

 private:
  void check(const Block& block) {
    auto loaded =
        config::load_text(whole_file(block), folder_.file("trunkline.yaml"), environment());
    if (!loaded) {
      ADD_FAILURE() << config::print_errors(loaded.error());
      return;
    }
    make_certificates(*loaded);
    Problems problems;
    auto snapshot = compile(*loaded, nullptr, problems);
    EXPECT_NE(snapshot, nullptr) << config::print_errors(problems.errors);
    if (block.info == "yaml") EXPECT_EQ(config::print_warnings(problems.warnings), "");
  }

  config::Environment environment() const {
    return {.variable = [](const std::string&) { return std::optional<std::string>("example"); },
            .read_file = [this](const std::string& path,
                                size_t) -> std::expected<std::string, std::string> {
              auto file = files_.find(std::filesystem::path(path).filename().string());
              return file == files_.end() ? "example\n" : file->second;
            }};
  }

  void make_certificates(const config::Config& config) {
    for (const config::Listen& listen : config.listen) {
      make(listen.tls.client_ca_file, "");
      for (const config::Certificate& pair : listen.tls.certificates)
        make(pair.cert_file, pair.key_file);
    }
    auto make_all = [&](const config::Upstream& upstream) {
      make(upstream.tls.ca_file, "");
      make(upstream.tls.cert_file, upstream.tls.key_file);
    };
    for (const auto& [name, upstream] : config.upstreams) make_all(upstream);
    for (const config::Route& route : config.routes) {
      if (route.inline_upstream) make_all(*route.inline_upstream);
    }
  }

  void make(const std::string& certificate, const std::string& key) {
    if (!certificate.starts_with(folder_.file(""))) return;
    auto identity = tls::make_test_identity({.common_name = "example", .is_authority = true});
    create_directories(std::filesystem::path(certificate).parent_path());
    tls::write_test_certificate(certificate, identity);
    if (!key.empty()) tls::write_test_key(key, identity);
  }

  const std::filesystem::path path_;
  const std::vector<Block> blocks_;
  std::map<std::string, std::string> files_;
  tls::TestFolder folder_;
};

std::vector<std::filesystem::path> pages() {
  std::vector<std::filesystem::path> found;
  for (const auto& folder : {config::project_folder(), config::project_folder() / "docs"}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".md") found.push_back(entry.path());
    }
  }
  return found;
}

TEST(Documentation, EveryConfigurationItShowsCanServe) {
  size_t checked = 0;
  for (const auto& page : pages()) checked += Page(page).check_configurations();
  EXPECT_GE(checked, 10U);
}

TEST(Documentation, EveryLinkLeadsToAFile) {
  size_t links = 0;
  for (const auto& page : pages()) {
    std::string text = config::read_whole(page);
    for (size_t at = text.find("]("); at != std::string::npos; at = text.find("](", at + 1)) {
      std::string target = text.substr(at + 2, text.find_first_of("#)", at + 2) - at - 2);
      if (target.empty() || target.starts_with("http")) continue;
      EXPECT_TRUE(exists(page.parent_path() / target)) << page << ": " << target;
      ++links;
    }
  }
  EXPECT_GE(links, 30U);
}

TEST(Documentation, EveryMetricHasItsLine) {
  observe::Registry registry(1);
  session::WorkerMetrics metrics(registry, 0);
  metrics.count_handshake("sni", "yes");
  auto stats = registry.group(policy::kPostgresStats, {"route", "upstream"});
  auto of_route = registry.group(session::kRouteMetrics, {"route", "upstream"});
  auto servers = registry.group(upstream::kServerConnections, {"upstream"});
  auto pools = registry.group(pool::kPoolMetrics, {"route", "database", "user"});
  auto looked_up = registry.group(lookup::kAuthQueryMetrics, {"upstream"});
  std::string page = config::read_whole(config::project_folder() / "docs/metrics.md");
  std::istringstream text(observe::prometheus_text(registry.read(), "trunkline"));
  size_t families = 0;
  const std::string kType = "# TYPE ";
  for (std::string line; std::getline(text, line);) {
    if (!line.starts_with(kType)) continue;
    std::string name = line.substr(kType.size(), line.find(' ', kType.size()) - kType.size());
    EXPECT_TRUE(page.contains("| `" + name + "` |")) << name;
    ++families;
  }
  EXPECT_GE(families, 55U);
}

TEST(Documentation, EveryCloseReasonHasItsLine) {
  std::string page = config::read_whole(config::project_folder() / "docs/operation.md");
  for (size_t i = 0; i < static_cast<size_t>(Reason::kCount); ++i) {
    std::string name(reason_name(static_cast<Reason>(i)));
    EXPECT_TRUE(page.contains("| `" + name + "` |")) << name;
  }
}

}  // namespace
}  // namespace trunkline::app
