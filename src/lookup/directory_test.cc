#include "lookup/directory.h"

#include <gtest/gtest.h>
#include <optional>

#include "io/epoll_backend.h"
#include "lookup/answers_for_tests.h"
#include "lookup/directories.h"
#include "server/fake_server_for_tests.h"
#include "upstream/set.h"

namespace trunkline::lookup {
namespace {

using server::FakeAct;
using server::FakeScript;
using server::FakeServer;

using Found = std::expected<auth::Account, Failure>;
using Row = std::vector<const char*>;

const FakeAct kLogin{server::fake_login()};

FakeAct says(const std::vector<Row>& rows, Duration after = {}) {
  return {.answer = answer_of(rows), .is_batch = true, .after = after};
}
FakeScript lets_in(std::vector<FakeAct> acts) {
  FakeScript script{.acts = {kLogin}, .keeps_open = true};
  for (FakeAct& act : acts) script.acts.push_back(std::move(act));
  return script;
}

class DirectoryTest : public testing::Test {
 protected:
  void serve(uint16_t port, config::AuthQuery settings = {}) {
    config_.upstreams["main"].servers = {{.host = "127.0.0.1", .port = port}};
    config_.upstreams["main"].tls.mode = config::ServerTlsMode::disable;
    set_ = upstream::Set::compile(config_, nullptr, findings_);
    settings.user = "asker";
    directory_ = directories_.get(set_->named().at("main"),
                                  std::make_shared<const config::AuthQuery>(settings.clone()));
  }

  Context context() {
    return {.loop = loop_,
            .worker = 0,
            .handshakes = gate_,
            .key_cache = cache_,
            .resolver = resolver_,
            .metrics = metrics_};
  }

  // A login that asks; several may ask at once.
  using Pending = std::shared_ptr<std::optional<Found>>;
  Pending begin(std::string user, std::string database = "app", Duration patience = 5s) {
    auto out = std::make_shared<std::optional<Found>>();
    loop_.spawn(find_into(out, *this, std::move(database), std::move(user), patience, false));
    return out;
  }
  Found wait(const Pending& pending) {
    for (int round = 0; !*pending && round < 100'000; ++round) loop_.run_once(true);
    return std::move(**pending);
  }
  Found find(std::string user, std::string database = "app") {
    return wait(begin(std::move(user), std::move(database)));
  }
  Found find_again(std::string user) {
    auto out = std::make_shared<std::optional<Found>>();
    loop_.spawn(find_into(out, *this, "app", std::move(user), 5s, true));
    return wait(out);
  }
  static io::Task<> find_into(Pending out, DirectoryTest& test, std::string database,
                              std::string user, Duration patience, bool again) {
    DirectoryPtr directory = test.directory_;
    Instant deadline = test.loop_.now() + patience;
    *out = again ? co_await directory->find_again(test.context(), database, user, deadline)
                 : co_await directory->find(test.context(), database, user, deadline);
  }
  void pass(Duration time) {
    bool over = false;
    loop_.spawn([](io::Loop& loop, Duration length, bool& done) -> io::Task<> {
      co_await loop.sleep_until(loop.now() + length);
      done = true;
    }(loop_, time, over));
    while (!over) loop_.run_once(true);
  }
  uint64_t counted(size_t cell) { return metrics_.group(kAuthQueryMetrics, {"main"})->total(cell); }
  int64_t connections(upstream::ServerState state) {
    return static_cast<int64_t>(
        metrics_.group(upstream::kServerConnections, {"main"})->total(static_cast<size_t>(state)));
  }

  io::Loop loop_{std::make_unique<io::EpollBackend>()};
  tls::HandshakeGate gate_{loop_};
  auth::KeyCache cache_;
  upstream::Resolver resolver_;
  observe::Registry metrics_{1};
  config::Config config_;
  tls::Findings findings_;
  std::shared_ptr<const upstream::Set> set_;
  Directories directories_{metrics_};
  DirectoryPtr directory_;
};

std::string password_of(const Found& found) {
  if (!found) return "(failed)";
  if (found->user == nullptr) return "(nobody)";
  auto* plain = found->user->as<auth::PlainPassword>();
  return plain == nullptr ? "(none)" : std::string(plain->text.reveal());
}

TEST_F(DirectoryTest, AUserIsAskedForOnceAndKnownFromThenOn) {
  FakeServer server(loop_, {lets_in({says({{"bob", "one"}}), says({})})});
  serve(server.port());
  EXPECT_EQ(password_of(find("bob")), "one");
  EXPECT_EQ(password_of(find("bob")), "one");
  EXPECT_EQ(password_of(find("alice")), "(nobody)");
  EXPECT_EQ(password_of(find("alice")), "(nobody)");
  EXPECT_EQ(server.connections(), 1u);
  EXPECT_EQ(counted(AuthQueryCells::kLookups), 2u);
  EXPECT_EQ(counted(AuthQueryCells::kCacheHits), 2u);
  EXPECT_EQ(counted(AuthQueryCells::kFailures), 0u);
}

TEST_F(DirectoryTest, NothingOfTheClientsIsInTheStartupPacketAndItsNameIsAParameter) {
  FakeServer server(loop_, {lets_in({says({})})});
  serve(server.port());
  find("x' or true --");
  constexpr char kStartup[] =
      "\0\3\0\0user\0asker\0database\0postgres\0application_name\0trunkline auth_query\0";
  std::string login(kStartup, sizeof kStartup);
  ASSERT_EQ(server.heard[0].size(), 2u);
  EXPECT_EQ(server.heard[0][0].substr(4), login);
  std::string batch = server.heard[0][1];
  std::string query = config::AuthQuery().query;
  EXPECT_NE(batch.find(query), std::string::npos);
  EXPECT_EQ(batch.find("x' or"), batch.rfind("x' or"));
  EXPECT_GT(batch.find("x' or"), batch.find(query) + query.size());
}

TEST_F(DirectoryTest, ManyLoginsOfOneUserAreOneLookUp) {
  FakeServer server(loop_, {lets_in({says({{"bob", "one"}}, 20ms)})});
  serve(server.port());
  std::vector<Pending> all;
  for (int i = 0; i < 20; ++i) all.push_back(begin("bob"));
  for (const Pending& each : all) EXPECT_EQ(password_of(wait(each)), "one");
  EXPECT_EQ(counted(AuthQueryCells::kLookups), 1u);
}

TEST_F(DirectoryTest, ConnectionsAreBoundedAndTheOthersWaitInLine) {
  std::vector<FakeAct> acts;
  for (int i = 0; i < 6; ++i) acts.push_back(says({}, 5ms));
  FakeServer server(loop_, {lets_in(acts)});
  serve(server.port(), {.max_connections = 2});
  std::vector<Pending> all;
  for (char name = 'a'; name < 'g'; ++name) all.push_back(begin(std::string(1, name)));
  for (const Pending& each : all) EXPECT_EQ(password_of(wait(each)), "(nobody)");
  EXPECT_EQ(server.connections(), 2u);
  EXPECT_EQ(connections(upstream::ServerState::idle), 2);
  EXPECT_EQ(connections(upstream::ServerState::active), 0);
}

TEST_F(DirectoryTest, WhoWaitsTooLongInLineFailsAndTheOthersGoOn) {
  FakeServer server(loop_, {lets_in({says({{"a", "one"}}, 60s), says({})})});
  serve(server.port(), {.max_connections = 1, .timeout = 80ms});
  Pending slow = begin("a");
  Pending late = begin("b");
  EXPECT_EQ(wait(slow).error(), Failure::failed);
  EXPECT_EQ(wait(late).error(), Failure::failed);
  EXPECT_EQ(counted(AuthQueryCells::kFailures), 2u);
}

TEST_F(DirectoryTest, ALoginThatGivesUpLeavesTheLookUpToOthers) {
  FakeServer server(loop_, {lets_in({says({{"bob", "one"}}, 400ms)})});
  serve(server.port());
  Pending hasty = begin("bob", "app", 5ms);
  Pending patient = begin("bob");
  EXPECT_EQ(wait(hasty).error(), Failure::timed_out);
  EXPECT_EQ(password_of(wait(patient)), "one");
  EXPECT_EQ(counted(AuthQueryCells::kLookups), 1u);
}

TEST_F(DirectoryTest, AFailureIsNotKeptAndTheConnectionIs) {
  FakeAct refuses{.answer = error_of("ERROR", "42501", "permission denied") + ready(),
                  .is_batch = true};
  FakeServer server(loop_, {lets_in({refuses, says({{"bob", "one"}})})});
  serve(server.port());
  EXPECT_EQ(find("bob").error(), Failure::failed);
  EXPECT_EQ(password_of(find("bob")), "one");
  EXPECT_EQ(server.connections(), 1u);
}

TEST_F(DirectoryTest, AConnectionThatTheServerHasClosedIsReplacedUnseen) {
  FakeScript closes{.acts = {kLogin, says({})}};
  FakeServer server(loop_, {closes, lets_in({says({{"bob", "one"}})})});
  serve(server.port());
  EXPECT_EQ(password_of(find("alice")), "(nobody)");
  pass(10ms);
  EXPECT_EQ(password_of(find("bob")), "one");
  EXPECT_EQ(server.connections(), 2u);
  EXPECT_EQ(counted(AuthQueryCells::kFailures), 0u);
}

TEST_F(DirectoryTest, AServerThatCannotBeReachedOrRefusesIsAFailure) {
  uint16_t closed = FakeServer(loop_, {{}}).port();
  serve(closed);
  EXPECT_EQ(find("bob").error(), Failure::failed);
  FakeServer refusing(loop_, {{.acts = {{server::fake_refusal("28P01", "no")}}}});
  serve(refusing.port());
  EXPECT_EQ(find("bob").error(), Failure::failed);
  EXPECT_EQ(counted(AuthQueryCells::kFailures), 2u);
  EXPECT_EQ(connections(upstream::ServerState::login), 0);
}

TEST_F(DirectoryTest, AFreshAnswerIsNotAskedForAgainAndAnOlderOneIs) {
  FakeServer server(loop_, {lets_in({says({{"bob", "one"}}), says({{"bob", "two"}})})});
  serve(server.port());
  Found first = find("bob");
  EXPECT_FALSE(first->may_be_outdated);
  EXPECT_EQ(password_of(find_again("bob")), "one");
  pass(Directory::kFreshFor + 10ms);
  EXPECT_TRUE(find("bob")->may_be_outdated);
  Found again = find_again("bob");
  EXPECT_EQ(password_of(again), "two");
  EXPECT_FALSE(again->may_be_outdated);
  EXPECT_EQ(password_of(find("bob")), "two");
}

TEST_F(DirectoryTest, WhatIsKnownEndsWithItsTime) {
  FakeServer server(loop_, {lets_in({says({{"bob", "one"}}), says({{"bob", "two"}}), says({}),
                                     says({{"alice", "new"}})})});
  serve(server.port(), {.cache_ttl = 20ms, .negative_cache_ttl = 20ms});
  EXPECT_EQ(password_of(find("bob")), "one");
  pass(30ms);
  EXPECT_EQ(password_of(find("bob")), "two");
  EXPECT_EQ(password_of(find("alice")), "(nobody)");
  pass(30ms);
  EXPECT_EQ(password_of(find("alice")), "new");
}

TEST_F(DirectoryTest, APasswordIsNotKnownForLongerThanItHolds) {
  FakeServer server(loop_,
                    {lets_in({says({{"bob", "one", "0.02"}}), says({{"bob", "one", "-1"}})})});
  serve(server.port());
  EXPECT_EQ(password_of(find("bob")), "one");
  pass(30ms);
  EXPECT_EQ(password_of(find("bob")), "(none)");
}

TEST_F(DirectoryTest, ATimeOfZeroKeepsNothing) {
  FakeServer server(loop_, {lets_in({says({{"bob", "one"}}), says({{"bob", "two"}})})});
  serve(server.port(), {.cache_ttl = 0s});
  EXPECT_EQ(password_of(find("bob")), "one");
  EXPECT_EQ(password_of(find("bob")), "two");
  EXPECT_EQ(server.connections(), 1u);
}

TEST_F(DirectoryTest, TheClientsDatabaseIsAskedWhereTheSettingsSaySo) {
  FakeServer server(loop_,
                    {lets_in({says({{"bob", "of a"}})}), lets_in({says({{"bob", "of b"}})})});
  serve(server.port(), {.database = "*", .max_connections = 1});
  EXPECT_EQ(password_of(find("bob", "a")), "of a");
  EXPECT_EQ(password_of(find("bob", "b")), "of b");
  EXPECT_EQ(password_of(find("bob", "a")), "of a") << "known";
  EXPECT_NE(server.heard[1][0].find(std::string("database\0b\0", 11)), std::string::npos);
  pass(20ms);
  EXPECT_EQ(server.ended, 1u) << "there may be one only";
}

TEST_F(DirectoryTest, NobodyIsInADatabaseThatIsNotThere) {
  FakeServer server(loop_, {{.acts = {{server::fake_refusal("3D000", "no such database")}}}});
  serve(server.port(), {.database = "*"});
  EXPECT_EQ(password_of(find("bob", "invented")), "(nobody)");
  EXPECT_EQ(password_of(find("bob", "invented")), "(nobody)");
  EXPECT_EQ(server.connections(), 1u);
  serve(server.port());
  EXPECT_EQ(find("bob").error(), Failure::failed) << "it is the configuration's";
}

TEST_F(DirectoryTest, NobodyLooksLikeThoseThatWereFound) {
  std::string login;
  wire::append_authentication_ok(login);
  wire::append_parameter_status(login, "scram_iterations", "7777");
  wire::append_backend_key_data(login, 77, "key!");
  wire::append_ready_for_query(login, wire::TransactionStatus::idle);
  FakeScript script{.acts = {{login}, says({{"bob", "plain"}}), says({})}, .keeps_open = true};
  FakeServer server(loop_, {script});
  serve(server.port());
  Found bob = find("bob");
  EXPECT_EQ(bob->traits.mock_iterations, 7777u);
  Found nobody = find("nobody");
  EXPECT_TRUE(nobody->traits.holds_plain);
  EXPECT_TRUE(nobody->traits.holds_verifiers);
  EXPECT_TRUE(nobody->traits.mostly_md5);
  EXPECT_EQ(nobody->traits.mock_iterations, 7777u);
}

TEST_F(DirectoryTest, IdleConnectionsAreClosedAndAnUnusedDirectoryGoes) {
  FakeServer server(loop_, {lets_in({says({{"bob", "one"}})})});
  serve(server.port(), {.cache_ttl = 30ms, .idle_timeout = 10ms});
  find("bob");
  directories_.tend(context());
  EXPECT_EQ(connections(upstream::ServerState::idle), 1);
  pass(15ms);
  directories_.tend(context());
  EXPECT_EQ(connections(upstream::ServerState::idle), 0);
  pass(25ms);
  EXPECT_EQ(server.ended, 1u);
  directories_.tend(context());
  EXPECT_EQ(directories_.size(), 1u) << "the test has it";
  directory_.reset();
  directories_.tend(context());
  EXPECT_EQ(directories_.size(), 0u);
}

TEST_F(DirectoryTest, OtherSettingsOrAnotherUpstreamAreAnotherDirectory) {
  FakeServer server(loop_, {lets_in({})});
  serve(server.port());
  DirectoryPtr first = directory_;
  auto get = [&](config::AuthQuery settings) {
    settings.user = "asker";
    return directories_.get(set_->named().at("main"),
                            std::make_shared<const config::AuthQuery>(settings.clone()));
  };
  EXPECT_EQ(get({}), first);
  EXPECT_EQ(get({.at = {.file = "moved", .line = 9}}), first);
  EXPECT_NE(get({.password = Secret("x")}), first);
  EXPECT_NE(get({.query = "select $1"}), first);
  EXPECT_NE(get({.database = "other"}), first);
  EXPECT_NE(get({.cache_ttl = 1s}), first);
  serve(server.port());
  EXPECT_NE(directory_, first) << "another set of upstreams";
}

}  // namespace
}  // namespace trunkline::lookup
