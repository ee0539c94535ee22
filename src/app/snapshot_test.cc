#include "app/snapshot.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

#include "config/test_support.h"

namespace trunkline::app {
namespace {

const std::string kTwo = R"(
listen: {port: 6432}
upstreams:
  a: {servers: [{host: 10.0.0.1}]}
  b: {servers: [{host: 10.0.0.2}]}
routes:
  - {match: {user: ann}, upstream: a}
  - {upstream: b}
users: [{name: ann, password: secret}]
)";

std::shared_ptr<const session::Snapshot> compiled(const std::string& text,
                                                  const session::Snapshot* previous = nullptr) {
  Problems problems;
  auto snapshot = compile(config::config_of(text), previous, problems);
  EXPECT_TRUE(problems.errors.empty()) << config::print_errors(problems.errors);
  return snapshot;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(SnapshotTest, HasEachModulesPart) {
  auto snapshot = compiled(kTwo);
  ASSERT_NE(snapshot, nullptr);
  ASSERT_EQ(snapshot->listeners.size(), 1);
  EXPECT_EQ(snapshot->listeners[0]->name, "*:6432");
  EXPECT_EQ(snapshot->upstreams->named().size(), 2);
  EXPECT_NE(snapshot->auth->users.find("ann"), nullptr);
  EXPECT_NE(snapshot->routes, nullptr);
  EXPECT_NE(snapshot->hooks, nullptr);
  EXPECT_EQ(snapshot->login_timeout, 15s);
  EXPECT_EQ(snapshot->max_message_bytes, 1U << 20);
  EXPECT_EQ(snapshot->logins_max, 10100U);
}

TEST(SnapshotTest, ComplaintsOfAllModulesComeTogether) {
  config::Config config = config::config_of(kTwo);
  config.listen[0].tls.mode = config::ClientTlsMode::require;
  config.listen[0].tls.certificates.push_back({.cert_file = "/none.crt", .key_file = "/none.key"});
  config.upstreams["a"].tls.mode = config::ServerTlsMode::verify_full;
  config.upstreams["a"].tls.ca_file = "/none-ca.crt";
  config.users.push_back({.name = "ben", .password = Secret("SCRAM-SHA-256$broken")});
  Problems problems;
  EXPECT_EQ(compile(config, nullptr, problems), nullptr);
  auto complains_of = [&](const std::string& what) {
    return std::ranges::any_of(problems.errors, [&](const config::Problem& problem) {
      return problem.key.contains(what) || problem.text.contains(what);
    });
  };
  EXPECT_TRUE(complains_of("listen[0]")) << config::print_errors(problems.errors);
  EXPECT_TRUE(complains_of("upstreams.a")) << config::print_errors(problems.errors);
  EXPECT_TRUE(complains_of("users")) << config::print_errors(problems.errors);
}

// A file on disk, with its name.
class WrittenFile {
 public:
  explicit WrittenFile(const std::string& text)
      : path_(std::filesystem::path(testing::TempDir()) / "trunkline_snapshot_test.yaml") {
    std::ofstream(path_) << text;
  }
  ~WrittenFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::vector<std::string> lines_and_keys(const Loaded& loaded) {
  std::vector<std::string> found;
  found.reserve(loaded.problems.errors.size());
  for (const config::Problem& problem : loaded.problems.errors) {
    found.push_back(std::to_string(problem.at.line) + " " + problem.key);
  }
  return found;
}

TEST(SnapshotTest, WhatTheLoaderAndTheModulesFindComesTogetherInTheOrderOfTheFile) {
  WrittenFile file(R"(listen: {port: 6432}
upstreams:
  a: {servers: [{host: 10.0.0.1}], tls: {mode: verify-ca, ca: /none-ca.crt}}
  b: {servers: [{host: 10.0.0.2}]}
routes:
  - {match: {user: "/(/"}, upstream: b}
  - {match: {user: "/(a/"}, upstream: {host: "$2.internal"}}
  - {upstream: a}
max_clients: many
users: [{name: ben, password: SCRAM-SHA-256$broken}]
)");
  Loaded loaded = load(file.path(), nullptr);
  EXPECT_EQ(loaded.snapshot, nullptr);
  EXPECT_EQ(lines_and_keys(loaded),
            (std::vector<std::string>{"3 upstreams.a.tls.ca", "6 routes[0].match.user",
                                      "7 routes[1].match.user", "9 max_clients", "10 users"}));
}

TEST(SnapshotTest, WhatFollowsFromAnErrorOfTheLoaderIsNotToldTwice) {
  WrittenFile file(R"(listen:
  port: 6432
  tls:
    mode: require
upstreams:
  main: {servers: [{host: 10.0.0.1}]}
routes:
  - match: {user: "/(a)/", database: "/open"}
    upstream: mian
    database: "$2"
authentication: [{type: hostssl, method: cert, map: none}]
)");
  EXPECT_EQ(lines_and_keys(load(file.path(), nullptr)),
            (std::vector<std::string>{"4 listen.tls", "8 routes[0].match.database",
                                      "9 routes[0].upstream", "11 authentication"}));
}

TEST(SnapshotTest, AReloadKeepsTheUpstreamsItDoesNotTouch) {
  auto before = compiled(kTwo);
  auto after = compiled(replaced(kTwo, "10.0.0.2", "10.0.0.3"), before.get());
  ASSERT_NE(after, nullptr);
  EXPECT_EQ(after->upstreams->named().at("a"), before->upstreams->named().at("a"));
  EXPECT_NE(after->upstreams->named().at("b"), before->upstreams->named().at("b"));
  EXPECT_EQ(before->upstreams->named().at("b")->servers()[0].address.host, "10.0.0.2")
      << "sessions under way keep what they have";
}

TEST(SnapshotTest, AReloadKeepsTheHealthOfServersThatStay) {
  auto before = compiled(kTwo);
  auto after = compiled(replaced(kTwo, "{servers: [{host: 10.0.0.1}]}",
                                 "{servers: [{host: 10.0.0.9}, {host: 10.0.0.1}]}"),
                        before.get());
  ASSERT_NE(after, nullptr);
  EXPECT_EQ(after->upstreams->named().at("a")->servers()[1].health,
            before->upstreams->named().at("a")->servers()[0].health);
}

TEST(SnapshotTest, AReloadWithAnErrorGivesNothingAndLeavesTheOldAlone) {
  auto before = compiled(kTwo);
  config::Config broken = config::config_of(kTwo);
  broken.users.push_back({.name = "ben", .password = Secret("SCRAM-SHA-256$broken")});
  Problems problems;
  EXPECT_EQ(compile(broken, before.get(), problems), nullptr);
  EXPECT_FALSE(problems.errors.empty());
  EXPECT_EQ(before->upstreams->named().at("a")->servers().size(), 1);
}

TEST(SnapshotTest, ListenersAreNamedByWhereTheyListen) {
  EXPECT_EQ(listener_name({.address = "0.0.0.0", .port = 6432}), "0.0.0.0:6432");
  EXPECT_EQ(listener_name({.address = "::1", .port = 6432}), "[::1]:6432");
  EXPECT_EQ(listener_name({.address = "/run/t", .port = 6432}), "/run/t/.s.PGSQL.6432");
}

}  // namespace
}  // namespace trunkline::app
