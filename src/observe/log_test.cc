#include "observe/log.h"

#include <condition_variable>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>
#include <string>
#include <vector>

#include "base/text.h"
#include "observe/log_queue.h"

namespace trunkline::observe {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// 2026-01-02 03:04:05.678 UTC
constexpr WallClock::time_point kNow{std::chrono::milliseconds(1767323045678)};

std::string line(Format format, std::string_view event, std::initializer_list<Field> fields) {
  LogRecord record = make_record(Level::info, format, kNow, event, {fields.begin(), fields.size()});
  return format_line(record, 123);
}

std::string json_value(std::string_view value) {
  std::string whole = line(Format::json, "e", {{"v", value}});
  std::string_view before = R"("msg":"e","v":)";
  size_t start = whole.find(before) + before.size();
  return whole.substr(start, whole.size() - start - 2);
}

std::string text_value(std::string_view value) {
  std::string whole = line(Format::text, "e", {{"v", value}});
  size_t start = whole.find("v=") + 2;
  return whole.substr(start, whole.size() - start - 1);
}

TEST(LogLine, IsReadableAsText) {
  EXPECT_EQ(line(Format::text, "session closed",
                 {{"client", 7}, {"user", "alice"}, {"tls", true}, {"duration_ms", 1500us}}),
            "2026-01-02 03:04:05.678 UTC [123] INFO  session closed client=7 user=alice tls=true "
            "duration_ms=1.500\n");
}

TEST(LogLine, IsOneObjectAsJson) {
  EXPECT_EQ(line(Format::json, "session closed",
                 {{"client", uint64_t{7}}, {"user", "alice"}, {"tls", true}, {"after_ms", 20ms}}),
            R"({"ts":"2026-01-02T03:04:05.678Z","level":"info","pid":123,"msg":"session closed",)"
            R"("client":7,"user":"alice","tls":true,"after_ms":20.000})"
            "\n");
}

TEST(LogLine, NamesTheLevel) {
  auto text = [](Level level) {
    return format_line(make_record(level, Format::text, kNow, "e", {}), 1).substr(32);
  };
  EXPECT_EQ(text(Level::debug), "DEBUG e\n");
  EXPECT_EQ(text(Level::warn), "WARN  e\n");
  EXPECT_EQ(text(Level::error), "ERROR e\n");
}

TEST(LogLine, QuotesTextThatWouldMislead) {
  EXPECT_EQ(text_value("plain"), "plain");
  EXPECT_EQ(text_value(""), R"("")");
  EXPECT_EQ(text_value("a reason=none"), R"("a reason=none")");
  EXPECT_EQ(text_value("say \"hi\""), R"("say \"hi\"")");
}

TEST(LogLine, StaysOneLineWhateverTheUserIsCalled) {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  for (Format format : {Format::text, Format::json}) {
    std::string whole = line(format, "login", {{"user", every_byte}});
    EXPECT_EQ(whole.find('\n'), whole.size() - 1);
    for (std::string_view rest = whole; !rest.empty();) {
      size_t length = utf8_sequence(rest);
      ASSERT_NE(length, 0U);
      EXPECT_TRUE(static_cast<uint8_t>(rest[0]) >= 0x20 || rest == "\n");
      rest.remove_prefix(length);
    }
  }
}

TEST(LogLine, KeepsJsonValuesExact) {
  EXPECT_EQ(json_value("a\\b\"c\n"), R"("a\\b\"c\u000a")");
  EXPECT_EQ(json_value("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"");
  EXPECT_EQ(json_value("\xff\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(LogLine, CutsLongValues) {
  std::string fits(Field::kValueBytesMax, 'x');
  EXPECT_EQ(text_value(fits), fits);
  EXPECT_EQ(text_value(fits + "y"), fits + "...");
  EXPECT_EQ(json_value(fits), '"' + fits + '"');
  EXPECT_EQ(json_value(fits + "y"), '"' + fits + "...\"");
}

TEST(LogQueue, DropsWhatDoesNotFitAndSaysHowMuch) {
  LogQueue queue(3 * (sizeof(LogRecord) + 10));
  auto record = [] { return LogRecord{kNow, Level::info, Format::text, std::string(10, 'x')}; };
  for (int i = 0; i < 3; ++i) queue.push(record());
  EXPECT_EQ(queue.dropped(), 0U);
  queue.push(record());
  queue.push(record());
  EXPECT_EQ(queue.dropped(), 2U);
  LogQueue::Batch batch = queue.take();
  EXPECT_THAT(batch.records, SizeIs(3));
  EXPECT_EQ(batch.dropped, 2U);
  EXPECT_FALSE(batch.last);
  queue.push(record());  // there is room again, and the loss is told once
  queue.close();
  batch = queue.take();
  EXPECT_THAT(batch.records, SizeIs(1));
  EXPECT_EQ(batch.dropped, 0U);
  EXPECT_TRUE(batch.last);
}

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override {
    set_log_level(Level::info);
    set_log_format(Format::text);
  }
  WriteLine collect() {
    return [this](Level, std::string_view text) { lines_.emplace_back(text); };
  }
  std::vector<std::string> lines_;
};

TEST_F(LogTest, WritesEverythingBeforeItEnds) {
  {
    LogThread thread(collect());
    for (int i = 0; i < 100; ++i) log(Level::info, "event", {{"number", i}});
  }
  ASSERT_THAT(lines_, SizeIs(100));
  EXPECT_THAT(lines_.front(), EndsWith("INFO  event number=0\n"));
  EXPECT_THAT(lines_.back(), EndsWith("INFO  event number=99\n"));
}

TEST_F(LogTest, FollowsLevelAndFormatAtRunTime) {
  {
    LogThread thread(collect());
    EXPECT_FALSE(log_enabled(Level::debug));
    log(Level::debug, "unheard");
    set_log_level(Level::debug);
    EXPECT_TRUE(log_enabled(Level::debug));
    log(Level::debug, "as text");
    set_log_format(Format::json);
    log(Level::debug, "as json");
    set_log_level(Level::error);
    log(Level::warn, "unheard");
  }
  ASSERT_THAT(lines_, SizeIs(2));
  EXPECT_THAT(lines_[0], EndsWith("DEBUG as text\n"));
  EXPECT_THAT(lines_[1], HasSubstr(R"("level":"debug")"));
}

// A writer that stands still until told, as stderr does on a full pipe.
class Gate {
 public:
  void open() {
    {
      std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

TEST_F(LogTest, NeverWaitsForASlowReaderAndReportsWhatWasLost) {
  auto gate = std::make_shared<Gate>();
  uint64_t dropped = 0;
  {
    LogThread thread(
        [this, gate](Level, std::string_view text) {
          gate->pass();
          lines_.emplace_back(text);
        },
        10'000);
    for (int i = 0; i < 1'000; ++i) log(Level::info, "event");
    dropped = thread.lines_dropped();
    // Two queues full are kept at most: the batch in the writer's hands, and what waits behind it.
    EXPECT_GT(dropped, 600U);
    gate->open();
  }
  constexpr std::string_view kReport = "WARN  log lines dropped count=";
  uint64_t reported = 0;
  size_t reports = 0;
  for (const std::string& text : lines_) {
    size_t at = text.find(kReport);
    if (at == std::string::npos) continue;
    reported += std::stoull(text.substr(at + kReport.size()));
    ++reports;
  }
  EXPECT_EQ(reported, dropped);
  EXPECT_EQ(lines_.size() - reports, 1'000 - dropped);
}

TEST_F(LogTest, EndsInBoundedTimeWhenTheReaderStandsStill) {
  auto gate = std::make_shared<Gate>();
  std::promise<void> written;
  Instant before = Clock::now();
  {
    LogThread thread([gate, &written](Level, std::string_view) {
      gate->pass();
      written.set_value();
    });
    log(Level::error, "the last words");
  }
  EXPECT_GE(Clock::now() - before, LogThread::kFlushMax);
  EXPECT_LT(Clock::now() - before, 5 * LogThread::kFlushMax);
  gate->open();
  written.get_future().wait();
}

TEST_F(LogTest, TakesLinesFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kLines = 500;
  {
    LogThread thread(collect());
    std::vector<std::thread> senders;
    for (int sender = 0; sender < kThreads; ++sender) {
      senders.emplace_back([] {
        for (int i = 0; i < kLines; ++i) {
          log(Level::info, "event", {{"i", i}});
          if (i == kLines / 2) set_log_format(Format::json);
        }
      });
    }
    for (std::thread& sender : senders) sender.join();
    EXPECT_EQ(thread.lines_dropped(), 0U);
  }
  EXPECT_THAT(lines_, SizeIs(kThreads * kLines));
}

TEST_F(LogTest, WritesAtOnceWithoutAThread) {
  ::testing::internal::CaptureStderr();
  log(Level::warn, "too early", {{"user", "a\x1b[31m"}});
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              EndsWith("WARN  too early user=a\\x1b[31m\n"));
}

}  // namespace
}  // namespace trunkline::observe
