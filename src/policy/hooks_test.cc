#include "policy/hooks.h"

#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <vector>

namespace trunkline::policy {
namespace {

// Writes down what it is told; refuses what it is told to refuse.
class Recorder : public Hook {
 public:
  Recorder(std::vector<std::string>& calls, std::string name, HookMask wants,
           std::string refuses = "")
      : calls_(calls), name_(std::move(name)), wants_(wants), refuses_(std::move(refuses)) {}

  HookMask wants() const override { return wants_; }
  Result<> on_startup(const SessionFacts&) override { return answer("startup"); }
  Result<> on_authenticated(const SessionFacts&, std::string_view method) override {
    return answer("authenticated " + std::string(method));
  }
  Result<> on_route(const SessionFacts& session, const route::Decision&) override {
    return answer("route " + std::string(*session.client.user));
  }
  void on_command_complete(const SessionFacts&, CommandKind, std::string_view tag) override {
    note("command " + std::string(tag));
  }
  void on_transaction_end(const SessionFacts&, TransactionsEnded ended) override {
    note(ended.committed > 0 ? "commit" : "rollback");
  }
  void on_close(const SessionFacts&, const CloseFacts& facts) override {
    note("close " + std::string(reason_name(facts.reason)));
  }

 private:
  void note(const std::string& what) { calls_.push_back(name_ + " " + what); }
  Result<> answer(const std::string& what) {
    note(what);
    if (!refuses_.empty() && what.starts_with(refuses_)) return fail({.message = name_});
    return {};
  }

  std::vector<std::string>& calls_;
  const std::string name_;
  const HookMask wants_;
  const std::string refuses_;
};

constexpr HookMask kAll = HookEvent::startup | HookEvent::authenticated | HookEvent::route |
                          HookEvent::command_complete | HookEvent::transaction_end |
                          HookEvent::close;

class HookChainTest : public ::testing::Test {
 protected:
  std::shared_ptr<Hook> recorder(std::string name, HookMask wants, std::string refuses = "") {
    return std::make_shared<Recorder>(calls_, std::move(name), wants, std::move(refuses));
  }
  // Returns the message of the refusal.
  std::string run(const HookChain& chain) {
    route::Facts client{.user = "alice"};
    SessionFacts session{7, client};
    Result<> result = chain.startup(session);
    if (result) result = chain.authenticated(session, "md5");
    if (result) result = chain.route(session, {});
    if (result) {
      chain.command_complete(session, CommandKind::select, "SELECT 1");
      chain.transaction_end(session, {.committed = 1});
    }
    chain.close(session, {Reason::client_terminate, "", 1s});
    return result ? "" : result.error().message;
  }
  std::vector<std::string> calls_;
};

TEST_F(HookChainTest, WantsNothingWhenEmpty) {
  HookChain chain;
  EXPECT_EQ(run(chain), "");
  EXPECT_FALSE(chain.wants(HookEvent::startup));
  EXPECT_FALSE(chain.wants(HookEvent::close));
}

TEST_F(HookChainTest, TellsAHookEverythingItWants) {
  HookChain chain({recorder("a", kAll)});
  EXPECT_EQ(run(chain), "");
  EXPECT_EQ(calls_, (std::vector<std::string>{"a startup", "a authenticated md5", "a route alice",
                                              "a command SELECT 1", "a commit",
                                              "a close client_terminate"}));
}

TEST_F(HookChainTest, TellsHooksInOrderAndOnlyWhatTheyWant) {
  HookChain chain({recorder("a", HookEvent::route | HookEvent::close),
                   recorder("b", HookEvent::command_complete | HookEvent::close)});
  EXPECT_TRUE(chain.wants(HookEvent::route));
  EXPECT_FALSE(chain.wants(HookEvent::transaction_end));
  EXPECT_EQ(run(chain), "");
  EXPECT_EQ(calls_,
            (std::vector<std::string>{"a route alice", "b command SELECT 1",
                                      "a close client_terminate", "b close client_terminate"}));
}

TEST_F(HookChainTest, StopsAskingAtTheFirstRefusalButTellsAllOfTheClose) {
  for (std::string event : {"startup", "authenticated", "route"}) {
    calls_.clear();
    HookChain chain({recorder("a", kAll), recorder("b", kAll, event), recorder("c", kAll, event)});
    EXPECT_EQ(run(chain), "b");
    ASSERT_GE(calls_.size(), 5U);
    EXPECT_TRUE(calls_[calls_.size() - 4].starts_with("b " + event));
    EXPECT_EQ(calls_.back(), "c close client_terminate");
  }
}

}  // namespace
}  // namespace trunkline::policy
