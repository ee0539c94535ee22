#include <gtest/gtest.h>
#include <string>

#include "session/listening_for_tests.h"
#include "session/pooled_for_tests.h"

// Channels that code listens to which is not seen go over to the pool's listener.
namespace trunkline::session {
namespace {

using Verdict = PooledMachine::Verdict;

const std::string kMark = "trunkline_mark_7";

class PooledAdoption : public PooledListeningTest {
 protected:
  static std::string row(std::string_view value) {
    std::string body("\0\1\0\0\0", 5);
    body += static_cast<char>(value.size());
    return msg('D', body + std::string(value));
  }
  static std::string told(std::string_view channel, std::string_view payload, uint32_t from = 8) {
    return notification(channel, payload, from)->message;
  }
  void ask_own(std::string_view wanted) {
    ASSERT_TRUE(play.machine.has_own_request());
    EXPECT_FALSE(play.machine.may_leave());
    play.own_request();
    std::string heard = play.heard();
    EXPECT_TRUE(heard.contains(wanted)) << heard;
  }
  // A text of code that is not seen, and what the probe then says.
  void run_code(std::string_view code, std::string_view pins, size_t lays_on = 0) {
    play.client(query(code));
    std::string laid;
    for (size_t i = 0; i < lays_on; ++i) {
      laid += kClosed + kParsed + kBound + done("LISTEN") + kClosed + kClosed;
    }
    std::string said = play.server(laid + done("DO") + ready());
    // Who listens hears first what he may have notified himself.
    if (lays_on > 0) {
      play.own.on_listening_answer(listening.last, true);
      said += play.own_answers();
    }
    EXPECT_EQ(said, done("DO") + ready());
    play.heard();
    listening.heard();
    ask_own("pg_locks");
    play.server(row(pins) + done("SELECT 1") + ready());
  }
  void show_channels(std::string_view channels) {
    ask_own("pg_listening_channels()");
    std::string rows;
    for (size_t at = 0; at < channels.size(); ++at) rows += row(channels.substr(at, 1));
    EXPECT_EQ(play.server(rows + done("SELECT 1") + ready()), "");
  }
  void listen_in_code() {
    run_code("do 'begin listen a; end'", "16");
    EXPECT_TRUE(play.machine.pins().has(Pin::listen));
    show_channels("a");
  }
  void hear(std::string_view channel, std::string_view payload) {
    play.own.on_notification(notification(channel, payload, 8), play.machine.unit_open());
  }
  // The listener hears `a` and the mark.
  void answer() {
    play.own.on_listening_answer(1, true);
    play.own.on_listening_answer(2, true);
  }
  void mark() {
    ask_own("NOTIFY \"" + kMark + "\"");
    EXPECT_EQ(play.server(done("LISTEN") + done("NOTIFY") + told(kMark, "", 7) + ready()), "");
  }
  void unlisten_left() {
    ask_own("UNLISTEN \"a\"");
    EXPECT_EQ(play.server(done("UNLISTEN") + ready()), "");
  }
  void adopt() {
    listen_in_code();
    answer();
    mark();
    unlisten_left();
    play.leave();
    hear(kMark, "");
    play.own.on_listening_answer(3, true);
    listening.heard();
  }
};

TEST_F(PooledAdoption, TheListenerHearsThemAndTheConnectionIsFree) {
  listen_in_code();
  EXPECT_EQ(listening.heard(), "open ; listen a 1; listen " + kMark + " 2; ");
  EXPECT_FALSE(play.machine.has_own_request()) << "the listener first";
  answer();
  mark();
  EXPECT_EQ(listening.heard(), "fence 3; ");
  EXPECT_TRUE(play.machine.pins().none());
  unlisten_left();
  play.leave();
  hear(kMark, "");
  play.own.on_listening_answer(3, true);
  EXPECT_EQ(listening.heard(), "unlisten " + kMark + "; ");
  hear("a", "x");
  EXPECT_EQ(play.own_answers(), told("a", "x"));
  EXPECT_TRUE(play.listens());
}

TEST_F(PooledAdoption, NothingIsToldTwiceAndNothingIsLost) {
  listen_in_code();
  answer();
  hear("a", "1");
  EXPECT_EQ(play.server(told("a", "1")), told("a", "1")) << "by the connection until the mark";
  ask_own(kMark);
  hear("a", "2");
  hear(kMark, "");
  hear("a", "3");
  EXPECT_FALSE(play.machine.has_answers()) << "the connection has not told all of before it";
  EXPECT_EQ(
      play.server(told("a", "2") + told(kMark, "", 7) + told("a", "3") + done("NOTIFY") + ready()),
      told("a", "2") + told("a", "3"))
      << "the third by the listener";
}

TEST_F(PooledAdoption, AListenerThatDoesNotHearLeavesThemThere) {
  listen_in_code();
  play.own.on_listening_answer(1, true);
  play.own.on_listening_answer(2, false);
  EXPECT_FALSE(play.machine.has_own_request());
  EXPECT_TRUE(play.machine.pins().has(Pin::listen));
  EXPECT_EQ(play.server(told("a", "x")), told("a", "x"));
}

TEST_F(PooledAdoption, WhatTheClientAsksMeanwhileComesFirst) {
  listen_in_code();
  listening.heard();
  EXPECT_EQ(play.client(query("UNLISTEN a")), Verdict::go_on);
  EXPECT_EQ(play.heard(), query("UNLISTEN a"));
  answer();
  play.server(done("UNLISTEN") + ready());
  ask_own("pg_locks");
  play.server(row("0") + done("SELECT 1") + ready());
  EXPECT_TRUE(play.machine.pins().none());
  play.leave();
  EXPECT_FALSE(play.listens());
}

TEST_F(PooledAdoption, CodeThatEndsThemIsNoticed) {
  adopt();
  play.use(*connection);
  run_code("do 'begin unlisten a; end'", "0", 1);
  show_channels("");
  unlisten_left();
  play.leave();
  EXPECT_FALSE(play.listens());
  EXPECT_EQ(listening.heard(), "unlisten a; ");
}

TEST_F(PooledAdoption, CodeThatDoesNotLeavesThem) {
  adopt();
  play.use(*connection);
  run_code("do 'begin perform ''unlisten''; end'", "16", 1);
  show_channels("a");
  unlisten_left();
  play.leave();
  EXPECT_TRUE(play.listens());
}

TEST_F(PooledAdoption, CodeThatIsRolledBackLeavesThem) {
  adopt();
  play.use(*connection);
  play.client(query("do 'begin unlisten a; fail; end'"));
  play.server(kClosed + kParsed + kBound + done("LISTEN") + kClosed + kClosed +
              failed("42601", "no") + ready());
  play.own.on_listening_answer(listening.last, true);
  play.own_answers();
  play.heard();
  unlisten_left();
  ask_own("pg_locks");
  play.server(row("0") + done("SELECT 1") + ready());
  play.leave();
  EXPECT_TRUE(play.listens());
}

TEST_F(PooledAdoption, WithoutAListenerItStaysThere) {
  PooledPlay own(4);
  auto kept = PooledPlay::connection(metrics);
  own.use(*kept);
  own.client(query("do 'begin listen a; end'"));
  own.server(done("DO") + ready());
  own.own_request();
  own.server(row("16") + done("SELECT 1") + ready());
  EXPECT_TRUE(own.machine.pins().has(Pin::listen));
  EXPECT_FALSE(own.machine.has_own_request());
}

}  // namespace
}  // namespace trunkline::session
