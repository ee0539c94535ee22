#pragma once

#include <algorithm>
#include <cerrno>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "io/listen.h"
#include "io/loop.h"
#include "io/socket.h"
#include "tls/handshake.h"
#include "tls/stream_io.h"
#include "wire/builders.h"

// A server on the loopback that follows a script, for tests of this module and of those above.
namespace trunkline::server {

// One exchange: the next packet (a message without a type byte), then the answer.
struct FakeAct {
  std::string answer = {};
  bool then_tls = false;  // goes on under TLS
  bool is_batch = false;  // the packet is a batch of messages up to its Sync
  Duration after = {};    // it answers so late
};

// What a connection is served. At its end the connection is closed, or kept until the peer closes.
struct FakeScript {
  std::vector<FakeAct> acts = {};
  bool keeps_open = false;
  bool is_deaf = false;  // kept open, and nothing is read any more
};

// Serves the first connection by the first script and so on, the last script for all that follow.
// Runs on the loop of the test. Its coroutines may outlive it, and share its state.
class FakeServer {
 public:
  FakeServer(io::Loop& loop, std::vector<FakeScript> scripts,
             std::shared_ptr<const tls::ClientContext> tls = nullptr)
      : state_(std::make_shared<State>(loop, std::move(scripts), std::move(tls))),
        heard(state_->heard),
        ended(state_->ended) {
    loop.spawn(accept_all(state_));
  }
  ~FakeServer() {
    state_->acceptor->stop();
    ::close(state_->fd);
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  io::SocketAddress address() const { return io::bound_address(state_->fd); }
  uint16_t port() const { return address().port(); }
  size_t connections() const { return heard.size(); }
  // Closes those that are kept open.
  void close_all() { state_->closing = true; }

 private:
  struct State {
    State(io::Loop& on, std::vector<FakeScript> all, std::shared_ptr<const tls::ClientContext> with)
        : loop(on), gate(on), scripts(std::move(all)), tls(std::move(with)) {
      auto opened = io::open_listener(io::SocketAddress::ip(*IpAddress::parse("127.0.0.1"), 0), {});
      EXPECT_TRUE(opened.has_value());
      fd = *opened;
      acceptor = std::make_unique<io::Acceptor>(loop, fd);
    }

    io::Loop& loop;
    tls::HandshakeGate gate;
    const std::vector<FakeScript> scripts;
    const std::shared_ptr<const tls::ClientContext> tls;
    int fd = -1;
    std::unique_ptr<io::Acceptor> acceptor;
    bool closing = false;
    std::vector<std::vector<std::string>> heard;
    size_t ended = 0;
  };

  static io::Task<> accept_all(std::shared_ptr<State> state) {
    io::Waiter waiter(state->loop);
    state->acceptor->bind(waiter);
    for (;;) {
      co_await waiter.wait(io::kReadable);
      while (auto accepted = state->acceptor->accept()) {
        size_t index = state->heard.size();
        state->heard.emplace_back();
        tls::Stream stream(io::Socket(state->loop, accepted->fd, false));
        state->loop.spawn(serve(state, std::move(stream), index));
      }
    }
  }

  static io::Task<> serve(std::shared_ptr<State> state, tls::Stream stream, size_t index) {
    const FakeScript& script = state->scripts[std::min(index, state->scripts.size() - 1)];
    for (const FakeAct& act : script.acts) {
      std::string packet =
          act.is_batch ? co_await read_batch(stream) : co_await read_packet(stream);
      if (packet.empty()) {
        ++state->ended;
        co_return;
      }
      state->heard[index].push_back(packet);
      if (act.after > Duration(0)) co_await state->loop.sleep_until(state->loop.now() + act.after);
      co_await answer(stream, act.answer);
      if (!act.then_tls) continue;
      Instant deadline = state->loop.now() + 5s;
      Result<> shaken = co_await tls::accept_tls(stream, state->tls, "", state->gate, deadline);
      if (!shaken) co_return;
    }
    while (script.is_deaf && !state->closing) {
      co_await state->loop.sleep_until(state->loop.now() + 5ms);
    }
    while (script.keeps_open && !state->closing) {
      char byte;
      Instant deadline = state->loop.now() + 5ms;
      ssize_t got = co_await tls::receive_some(stream, {&byte, 1}, deadline);
      if (got > 0 || got == -ETIMEDOUT) continue;
      ++state->ended;
      co_return;
    }
  }

  // In pieces, as a peer may take little of a long one, and a sanitizer is slow to copy the rest.
  static io::Task<> answer(tls::Stream& stream, std::string_view bytes) {
    constexpr size_t kPiece = 64 * 1024;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(kPiece, bytes.size()))) {
      std::string piece(bytes.substr(0, kPiece));
      if (co_await tls::send_all(stream, std::move(piece), Instant::max()) < 0) co_return;
    }
  }

  // Empty at the end of the stream.
  static io::Task<std::string> read_packet(tls::Stream& stream) {
    std::string packet;
    while (packet.size() < 4 || packet.size() < load_big_endian<uint32_t>(packet.data())) {
      char byte;
      if (co_await tls::receive_some(stream, {&byte, 1}, Instant::max()) <= 0)
        co_return std::string();
      packet += byte;
    }
    co_return std::move(packet);
  }

  static io::Task<std::string> read_batch(tls::Stream& stream) {
    const std::string kSync("S\0\0\0\4", 5);
    std::string batch;
    while (!batch.ends_with(kSync)) {
      char byte;
      if (co_await tls::receive_some(stream, {&byte, 1}, Instant::max()) <= 0)
        co_return std::string();
      batch += byte;
    }
    co_return std::move(batch);
  }

  const std::shared_ptr<State> state_;

 public:
  const std::vector<std::vector<std::string>>& heard;  // packets of each connection
  const size_t& ended;                                 // connections that the peer has closed
};

// What lets everybody in.
inline std::string fake_login() {
  std::string bytes;
  wire::append_authentication_ok(bytes);
  wire::append_parameter_status(bytes, "server_version", "15.0");
  wire::append_backend_key_data(bytes, 77, "key!");
  wire::append_ready_for_query(bytes, wire::TransactionStatus::idle);
  return bytes;
}

inline std::string fake_refusal(std::string_view sqlstate, std::string_view text) {
  std::string bytes;
  const wire::ErrorField fields[] = {{'S', "FATAL"}, {'V', "FATAL"}, {'C', sqlstate}, {'M', text}};
  wire::append_error_response(bytes, fields);
  return bytes;
}

}  // namespace trunkline::server
