#include "upstream/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "io/epoll_backend.h"
#include "io/listen.h"

namespace trunkline::upstream {
namespace {

using testing::HasSubstr;
using testing::Not;

class ProbeTest : public testing::Test {
 protected:
  ~ProbeTest() override {
    for (int fd : listeners_) close(fd);
  }

  // A port of the loopback that takes connections, or, when `open` is false, refuses them.
  uint16_t port(bool open) {
    auto fd = io::open_listener(io::SocketAddress::ip(*IpAddress::parse("127.0.0.1"), 0), {});
    EXPECT_TRUE(fd.has_value());
    uint16_t number = io::bound_address(*fd).port();
    if (open) {
      listeners_.push_back(*fd);
    } else {
      close(*fd);
    }
    return number;
  }

  void serve(const std::string& name, const std::vector<config::ServerAddress>& servers) {
    config_.upstreams[name].servers = servers;
    set_ = Set::compile(config_, set_.get(), findings_);
  }

  void probe() {
    loop_.spawn(probe_once(loop_, set_, resolver_));
    while (loop_.spawned() > 0) loop_.run_once(true);
  }

  Health& health(const std::string& name, size_t index = 0) {
    return *set_->named().at(name)->servers()[index].health;
  }

  config::Config config_;
  tls::Findings findings_;
  std::shared_ptr<const Set> set_ = Set::compile(config_, nullptr, findings_);
  Resolver resolver_;
  io::Loop loop_{std::make_unique<io::EpollBackend>()};
  std::vector<int> listeners_;
};

TEST_F(ProbeTest, NotReadyBeforeAnyAnswer) {
  EXPECT_TRUE(readiness(*set_, loop_.now()).ready);  // no upstream, nothing to wait for
  serve("main", {{.host = "127.0.0.1", .port = 1}});
  Readiness now = readiness(*set_, loop_.now());
  EXPECT_FALSE(now.ready);
  EXPECT_THAT(now.text, HasSubstr("upstream main: no server has answered within 20 s"));
  EXPECT_THAT(now.text, HasSubstr("127.0.0.1:1: not heard of yet"));
}

TEST_F(ProbeTest, AnAnswerCountsForTwoIntervals) {
  serve("main", {{.host = "127.0.0.1", .port = 1}});
  Instant answer(1000s);
  health("main").answered(answer);
  EXPECT_TRUE(readiness(*set_, answer).ready);
  EXPECT_EQ(readiness(*set_, answer).text, "");
  EXPECT_TRUE(readiness(*set_, answer + kAnswerLifetime).ready);
  EXPECT_FALSE(readiness(*set_, answer + kAnswerLifetime + 1ns).ready);
}

TEST_F(ProbeTest, OneServerOfEachUpstreamIsEnough) {
  serve("a", {{.host = "127.0.0.1", .port = 1}, {.host = "127.0.0.1", .port = 2}});
  serve("b", {{.host = "127.0.0.1", .port = 3}});
  Instant now(1000s);
  health("a", 1).answered(now);
  Readiness half = readiness(*set_, now);
  EXPECT_FALSE(half.ready);
  EXPECT_THAT(half.text, AllOf(HasSubstr("upstream b"), Not(HasSubstr("upstream a"))));
  health("b").answered(now);
  EXPECT_TRUE(readiness(*set_, now).ready);
}

TEST_F(ProbeTest, AProbeTellsWhoAnswersAndWhoRefuses) {
  serve("up", {{.host = "127.0.0.1", .port = port(true)}});
  uint16_t closed = port(false);
  serve("down", {{.host = "127.0.0.1", .port = closed}});
  probe();
  EXPECT_TRUE(answered_lately(*set_->named().at("up"), loop_.now()));
  EXPECT_FALSE(health("up").last_failure());
  EXPECT_FALSE(answered_lately(*set_->named().at("down"), loop_.now()));
  EXPECT_EQ(health("down").last_failure()->why,
            "127.0.0.1:" + std::to_string(closed) + ": Connection refused");
  EXPECT_THAT(readiness(*set_, loop_.now()).text, HasSubstr("Connection refused"));
}

TEST_F(ProbeTest, ANameThatDoesNotResolveIsAFailure) {
  serve("main", {{.host = "no-such-name.invalid"}});
  probe();
  EXPECT_THAT(health("main").last_failure()->why, HasSubstr("cannot resolve"));
}

TEST_F(ProbeTest, AServerWithTrafficIsNotProbed) {
  serve("main", {{.host = "127.0.0.1", .port = port(false)}});
  health("main").answered(loop_.now() - kQuietFor);
  probe();
  EXPECT_FALSE(health("main").last_failure());
}

TEST_F(ProbeTest, AQuietServerIsProbed) {
  serve("main", {{.host = "127.0.0.1", .port = port(false)}});
  health("main").answered(loop_.now() - kQuietFor - 1ns);
  probe();
  EXPECT_TRUE(health("main").last_failure());
}

TEST_F(ProbeTest, MoreServersThanProbesAtOnceAreAllProbed) {
  std::vector<config::ServerAddress> servers;
  uint16_t open = port(true);
  for (size_t i = 0; i < 2 * kProbesAtOnceMax + 1; ++i) {
    servers.push_back({.host = "127.0.0.1", .port = open});
  }
  serve("main", servers);
  probe();
  for (size_t i = 0; i < servers.size(); ++i) {
    EXPECT_TRUE(health("main", i).last_answer()) << i;
  }
}

TEST_F(ProbeTest, TheLoopProbesAtOnceAndAsksForTheSetOfTheDay) {
  serve("main", {{.host = "127.0.0.1", .port = port(true)}});
  int asked = 0;
  std::function<std::shared_ptr<const Set>()> current = [&] {
    ++asked;
    return set_;
  };
  loop_.spawn(probe_loop(loop_, current, resolver_));
  for (int round = 0; round < 1000 && !health("main").last_answer(); ++round) {
    loop_.run_once(true);
  }
  EXPECT_TRUE(readiness(*set_, loop_.now()).ready);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(loop_.spawned(), 1);
}

}  // namespace
}  // namespace trunkline::upstream
