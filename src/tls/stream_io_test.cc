#include "tls/stream_io.h"

#include <algorithm>
#include <cerrno>
#include <gtest/gtest.h>
#include <memory>
#include <utility>

#include "io/backend.h"
#include "io/loop.h"

namespace trunkline::tls {
namespace {

constexpr size_t kReadsMax = 100'000;

// One socket that always has more to read. The clock moves with the loop's rounds.
class EndlessBackend final : public io::Backend {
 public:
  explicit EndlessBackend(size_t& reads) : reads_(reads) {}

  Instant now() override { return now_; }
  std::span<const io::Event> wait(Duration) override {
    now_ += 1ms;
    return {&event_, 1};
  }
  void wake() override {}
  int add(int, void* owner, io::Interest) override {
    event_ = {owner, io::kReadable};
    return 0;
  }
  int modify(int, void*, io::Interest) override { return 0; }
  void remove(int) override {}
  ssize_t recv(int, std::span<char> into) override {
    std::ranges::fill(into, 'x');
    return ++reads_ < kReadsMax ? static_cast<ssize_t>(into.size()) : 0;
  }
  ssize_t peek(int) override { return 1; }
  ssize_t send(int, std::span<const iovec>) override { return -EPIPE; }
  std::expected<std::pair<int, io::SocketAddress>, int> accept(int) override {
    return std::unexpected(-EAGAIN);
  }
  std::expected<int, int> connect(const io::SocketAddress&) override {
    return std::unexpected(-EAGAIN);
  }
  int take_error(int) override { return 0; }
  void shutdown(int, int) override {}
  void close(int) override {}

 private:
  size_t& reads_;
  Instant now_{};
  io::Event event_{};
};

io::Task<> discard(Stream& stream, Instant deadline, bool& done) {
  co_await discard_all(stream, deadline);
  done = true;
}

TEST(StreamIo, APeerThatNeverStopsSendingIsDiscardedInTurnsAndUntilTheDeadline) {
  size_t reads = 0;
  io::Loop loop(std::make_unique<EndlessBackend>(reads));
  Stream stream(io::Socket(loop, 1000, false));
  bool done = false;
  loop.spawn(discard(stream, loop.now() + 50ms, done));
  for (size_t round = 0; round < 100 && !done; ++round) loop.run_once(false);
  EXPECT_TRUE(done);
  EXPECT_GT(reads, 10U);
  EXPECT_LT(reads, 100U);
  stream.close();
}

}  // namespace
}  // namespace trunkline::tls
