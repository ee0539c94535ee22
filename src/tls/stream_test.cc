#include "tls/stream.h"

#include <malloc.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "base/random.h"
#include "tls/fixture_for_tests.h"

namespace trunkline::tls {
namespace {

struct StreamTest : TlsTest {
  StreamTest() { issue_and_serve("db.example"); }

  // Carries bytes from one socket to another, `chunk` at a time, until nothing comes for a while.
  static io::Task<> carry(io::Socket& from, io::Socket& to, size_t chunk) {
    std::string bytes(chunk, '\0');
    for (;;) {
      ssize_t got = from.recv(bytes);
      if (got == -EAGAIN) {
        if (!co_await from.wait_readable(from.loop().now() + 300ms)) co_return;
        continue;
      }
      if (got <= 0) co_return to.shutdown_write();
      for (size_t sent = 0; sent < static_cast<size_t>(got);) {
        iovec rest{bytes.data() + sent, static_cast<size_t>(got) - sent};
        ssize_t count = to.send({&rest, 1});
        if (count > 0) sent += static_cast<size_t>(count);
        if (count == -EAGAIN) co_await to.wait_writable(Instant::max());
      }
    }
  }

  // Takes up to three pieces of uneven sizes off the front, so that records begin and end anywhere.
  static ssize_t send_some(Stream& to, std::string_view& bytes) {
    if (bytes.empty()) return to.flush();
    iovec parts[3];
    size_t at = 0;
    for (size_t i = 0; i < 3; ++i) {
      size_t size = std::min<size_t>(bytes.size() - at, i == 1 ? 70'000 : 77);
      parts[i] = {const_cast<char*>(bytes.data()) + at, size};
      at += size;
    }
    ssize_t sent = to.send(parts);
    if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
    return sent;
  }

  // Sends `bytes` and receives `expected` bytes, `step` at a time, both as they can: as the relay.
  static io::Task<> exchange(Stream& stream, std::string_view bytes, std::string& into,
                             size_t expected, size_t step) {
    io::Waiter waiter(stream.socket().loop());
    stream.socket().bind(waiter, 0);
    std::string buffer(step, '\0');
    while (!bytes.empty() || stream.has_unsent() || into.size() < expected) {
      uint32_t wanted = io::kReadable;
      if (!bytes.empty() || stream.has_unsent()) {
        ssize_t sent = send_some(stream, bytes);
        if (sent < 0 && sent != -EAGAIN) break;
        wanted |= io::kWritable;
      }
      ssize_t got = stream.recv(buffer);
      if (got > 0) into.append(buffer, 0, static_cast<size_t>(got));
      if (got == 0 || (got < 0 && got != -EAGAIN)) break;
      if (into.size() >= expected) wanted &= ~static_cast<uint32_t>(io::kReadable);
      if (wanted != 0 && !stream.has_pending()) co_await waiter.wait(wanted);
    }
    stream.socket().unbind();
  }

  static io::Task<> send_all(Stream& to, std::string_view bytes) {
    while (!bytes.empty() || to.has_unsent()) {
      ssize_t sent = send_some(to, bytes);
      if (sent < 0 && sent != -EAGAIN) co_return;
      if (sent == -EAGAIN || to.has_unsent()) co_await to.socket().wait_writable(Instant::max());
    }
  }

  static io::Task<> receive_all(Stream& from, std::string& into, size_t expected, size_t step) {
    std::string bytes(step, '\0');
    while (into.size() < expected) {
      ssize_t got = from.recv(bytes);
      if (got > 0) into.append(bytes, 0, static_cast<size_t>(got));
      if (got == 0 || (got < 0 && got != -EAGAIN)) co_return;
      if (from.readable() || into.size() >= expected) continue;
      if (!co_await from.socket().wait_readable(from.socket().loop().now() + 5s)) co_return;
    }
  }
};

TEST_F(StreamTest, plain_passes_bytes_through_and_never_holds_any) {
  auto [a, b] = socket_pair();
  Stream left{io::Socket(loop, a, true)};
  Stream right{io::Socket(loop, b, true)};
  EXPECT_EQ(send_text(left, "hello"), 5);
  EXPECT_EQ(receive(right), "hello");
  EXPECT_FALSE(left.has_unsent() || right.has_pending() || left.is_encrypted());
  EXPECT_EQ(left.flush(), 0);
  EXPECT_EQ(left.end_point_hash(), std::nullopt);
  EXPECT_TRUE(left.sni().empty() && left.negotiated_alpn().empty());
  left.close();
  EXPECT_EQ(receive(right), "");
}

TEST_F(StreamTest, works_when_every_byte_comes_alone) {
  auto [a, c] = socket_pair();
  auto [d, b] = socket_pair();
  io::Socket middle_left(loop, c, true);
  io::Socket middle_right(loop, d, true);
  Outcome out{Stream(io::Socket(loop, a, true)), Stream(io::Socket(loop, b, true)), {}, {}};
  loop.spawn(carry(middle_left, middle_right, 1));
  loop.spawn(carry(middle_right, middle_left, 1));
  loop.spawn(accept_into(out, client_context(), gate, loop.now() + 10s));
  loop.spawn(connect_into(out, server_context(), "db.example", gate, loop.now() + 10s));
  std::string question = random_bytes(5000);
  std::string got;
  run_until([&] { return loop.spawned() == 2; });
  ASSERT_EQ(error_of(out.accepted) + error_of(out.connected), "");
  loop.spawn(send_all(out.server_side, question));
  loop.spawn(receive_all(out.client_side, got, question.size(), 4096));
  run_to_end();
  EXPECT_EQ(got, question);
}

TEST_F(StreamTest, takes_what_was_read_of_the_handshake_before) {
  for (size_t taken : {1, 5, 100, 10'000}) {
    auto [a, b] = socket_pair();
    Outcome out{Stream(io::Socket(loop, a, true)), Stream(io::Socket(loop, b, true)), {}, {}};
    loop.spawn(connect_into(out, server_context(), "db.example", gate, loop.now() + 10s));
    std::string prefix(taken, '\0');
    run_until([&] { return out.client_side.readable(); });
    ssize_t count = out.client_side.recv(prefix);
    ASSERT_GT(count, 0);
    prefix.resize(static_cast<size_t>(count));
    loop.spawn([](Outcome& to, std::shared_ptr<const ClientContext> context, std::string bytes,
                  HandshakeGate& by) -> io::Task<> {
      to.accepted = co_await accept_tls(to.client_side, std::move(context), std::move(bytes), by,
                                        Instant::max());
    }(out, client_context(), prefix, gate));
    run_to_end();
    ASSERT_EQ(error_of(out.accepted) + error_of(out.connected), "") << taken;
    EXPECT_EQ(send_text(out.server_side, "x"), 1);
    EXPECT_EQ(receive(out.client_side), "x");
  }
}

TEST_F(StreamTest, carries_much_both_ways_at_once) {
  for (size_t step : {100, 16'384, 200'000}) {
    auto out = shake_hands("db.example");
    std::string to_client = random_bytes(step == 100 ? 500'000 : 20'000'000);
    std::string to_server = random_bytes(to_client.size() / 2);
    std::string at_client;
    std::string at_server;
    loop.spawn(exchange(out->client_side, to_client, at_server, to_server.size(), step));
    loop.spawn(exchange(out->server_side, to_server, at_client, to_client.size(), step));
    run_to_end();
    EXPECT_TRUE(at_client == to_client) << step;
    EXPECT_TRUE(at_server == to_server) << step;
    EXPECT_TRUE(out->client_side.is_idle() && out->server_side.is_idle());
  }
}

TEST_F(StreamTest, stops_taking_when_the_peer_does_not_read) {
  auto out = shake_hands("db.example");
  std::string block = random_bytes(64 * 1024);
  std::string expected;
  ssize_t sent = 0;
  while ((sent = send_text(out->client_side, block)) > 0) {
    expected.append(block, 0, static_cast<size_t>(sent));
    ASSERT_LT(expected.size(), 8U << 20) << "back-pressure is missing";
  }
  EXPECT_EQ(sent, -EAGAIN);
  EXPECT_TRUE(out->client_side.has_unsent());
  EXPECT_EQ(out->client_side.flush(), -EAGAIN);
  EXPECT_FALSE(out->client_side.is_idle());
  EXPECT_EQ(out->client_side.recv(block), -EAGAIN) << "what was sent must not end the stream";

  std::string got;
  loop.spawn(send_all(out->client_side, ""));  // flushes
  loop.spawn(receive_all(out->server_side, got, expected.size(), 65536));
  run_to_end();
  EXPECT_TRUE(got == expected);
  EXPECT_FALSE(out->client_side.has_unsent());
}

TEST_F(StreamTest, joins_small_pieces_into_one_record_and_many_records_into_one_send) {
  auto out = shake_hands("db.example");
  auto raw_bytes = [&] {
    std::string bytes(1 << 20, '\0');
    ssize_t count = ::recv(out->server_side.socket().fd(), bytes.data(), bytes.size(), MSG_PEEK);
    return static_cast<size_t>(count);
  };
  std::string piece(100, 'p');
  std::vector<iovec> pieces(50, iovec{piece.data(), piece.size()});
  EXPECT_EQ(out->client_side.send(pieces), 5000);
  EXPECT_EQ(raw_bytes(), 5000U + 22) << "one record of TLS 1.3 adds 22 bytes";
  EXPECT_EQ(receive(out->server_side)->size(), 5000U);

  std::string large(60'000, 'l');
  EXPECT_EQ(send_text(out->client_side, large), 60'000);
  EXPECT_EQ(raw_bytes(), 60'000U + 4 * 22);
  EXPECT_EQ(receive(out->server_side), large) << "several records in one recv";
}

TEST_F(StreamTest, says_that_bytes_are_inside_when_the_socket_is_drained) {
  auto out = shake_hands("db.example");
  send_text(out->client_side, "0123456789");
  run_until([&] { return out->server_side.readable(); });
  char four[4];
  EXPECT_EQ(out->server_side.recv(four), 4);
  EXPECT_FALSE(out->server_side.socket().readable());
  EXPECT_TRUE(out->server_side.has_pending());
  EXPECT_FALSE(out->server_side.is_idle());
  EXPECT_EQ(out->server_side.recv(four), 4);
  EXPECT_EQ(out->server_side.recv(four), 2);
  EXPECT_FALSE(out->server_side.has_pending());
  EXPECT_TRUE(out->server_side.is_idle());
  EXPECT_EQ(out->server_side.recv(four), -EAGAIN);
}

TEST_F(StreamTest, half_a_record_is_not_pending) {
  auto out = shake_hands("db.example");
  send_text(out->client_side, "0123456789");
  std::string record(100, '\0');
  ssize_t size = ::recv(out->server_side.socket().fd(), record.data(), record.size(), 0);
  ::send(out->client_side.socket().fd(), record.data(), static_cast<size_t>(size) - 1, 0);
  run_until([&] { return out->server_side.readable(); });
  EXPECT_EQ(out->server_side.recv(record), -EAGAIN);
  EXPECT_FALSE(out->server_side.readable()) << "a busy loop otherwise";
  EXPECT_FALSE(out->server_side.is_idle());
}

// The record is cut at every byte; only a cut between two records is an end of file.
TEST_F(StreamTest, an_end_inside_a_record_is_an_error_and_between_two_is_none) {
  for (size_t cut = 0; cut <= 32; ++cut) {
    auto out = shake_hands("db.example");
    send_text(out->client_side, "0123456789");
    std::string record(100, '\0');
    ssize_t size = ::recv(out->server_side.socket().fd(), record.data(), record.size(), 0);
    ASSERT_EQ(size, 32);
    ::send(out->client_side.socket().fd(), record.data(), cut, 0);
    out->client_side.socket().close();  // no close_notify
    if (cut == 32) {
      EXPECT_EQ(receive(out->server_side), "0123456789");
    }
    bool clean = cut == 0 || cut == 32;
    EXPECT_EQ(receive(out->server_side), clean ? std::optional<std::string>("") : std::nullopt)
        << cut;
    EXPECT_EQ(out->server_side.last_error_text(),
              clean ? "" : "connection ended inside a TLS record")
        << cut;
  }
}

TEST_F(StreamTest, a_forged_record_is_an_error_that_stays) {
  auto out = shake_hands("db.example");
  send_text(out->client_side, "0123456789");
  std::string record(100, '\0');
  ssize_t size = ::recv(out->server_side.socket().fd(), record.data(), record.size(), 0);
  record[10] = static_cast<char>(record[10] ^ 1);
  ::send(out->client_side.socket().fd(), record.data(), static_cast<size_t>(size), 0);
  run_until([&] { return out->server_side.readable(); });
  EXPECT_EQ(out->server_side.recv(record), -EPROTO);
  EXPECT_EQ(out->server_side.last_error_text(), "decryption failed or bad record mac");
  EXPECT_EQ(out->server_side.recv(record), -EPROTO);
  EXPECT_EQ(send_text(out->server_side, "x"), -EPROTO);
}

TEST_F(StreamTest, a_key_update_is_answered_and_data_goes_on) {
  auto out = shake_hands("db.example");
  SSL* ssl = out->client_side.layer()->ssl();
  ASSERT_EQ(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
  send_text(out->client_side, "after");
  EXPECT_EQ(receive(out->server_side), "after");
  send_text(out->server_side, "answer");
  EXPECT_EQ(receive(out->client_side), "answer");
}

TEST_F(StreamTest, a_flood_of_key_updates_ends_the_stream_and_a_few_do_not) {
  for (int updates : {kReadsWithoutDataMax, kReadsWithoutDataMax + 1}) {
    auto out = shake_hands("db.example");
    SSL* ssl = out->client_side.layer()->ssl();
    char byte = 0;
    ssize_t answer = 0;
    for (int i = 0; i < updates; ++i) {
      SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
      out->client_side.layer()->handshake(out->client_side.socket());
      run_until([&] { return out->server_side.readable(); });
      answer = out->server_side.recv({&byte, 1});
    }
    if (updates <= kReadsWithoutDataMax) {
      EXPECT_EQ(answer, -EAGAIN);
    } else {
      EXPECT_EQ(answer, -EPROTO);
      EXPECT_EQ(out->server_side.last_error_text(), "too many TLS records without data");
    }
  }
}

TEST_F(StreamTest, a_peer_that_asks_for_key_updates_and_never_reads_ends_the_stream) {
  constexpr int kUpdatesMax = 20'000;
  constexpr size_t kKeyUpdateBytes = 5 + 22;  // on the wire
  auto out = shake_hands("db.example");
  int buffer = 4096;
  setsockopt(out->client_side.socket().fd(), SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  std::string bytes(100, '\0');
  ssize_t answer = 1;
  int updates = 0;
  while (answer > 0 && updates < kUpdatesMax) {
    SSL_key_update(out->server_side.layer()->ssl(), SSL_KEY_UPDATE_REQUESTED);
    ASSERT_EQ(send_text(out->server_side, "x"), 1);
    ++updates;
    run_until([&] { return out->client_side.readable(); });
    answer = out->client_side.recv(bytes);
  }
  EXPECT_EQ(answer, -EPROTO);
  EXPECT_EQ(out->client_side.last_error_text(), "the peer does not read");
  EXPECT_GT(static_cast<size_t>(updates) * kKeyUpdateBytes, kUnsentBytesMax) << "too early";
  EXPECT_EQ(out->client_side.recv(bytes), -EPROTO);
}

TEST_F(StreamTest, an_idle_stream_moves_to_another_loop) {
  auto out = shake_hands("db.example");
  send_text(out->client_side, "before");
  EXPECT_EQ(receive(out->server_side), "before");
  ASSERT_TRUE(out->server_side.is_idle());
  DetachedStream moving = std::move(out->server_side).detach();
  send_text(out->client_side, "during");
  std::thread([&moving] {
    io::Loop other(std::make_unique<io::EpollBackend>());
    Stream stream(other, std::move(moving));
    std::string got;
    other.spawn(receive_all(stream, got, 6, 100));
    while (other.spawned() > 0) other.run_once(true);
    EXPECT_EQ(got, "during");
    send_text(stream, "moved");
    stream.close();
  }).join();
  EXPECT_EQ(receive(out->client_side), "moved");
  EXPECT_EQ(receive(out->client_side), "");
}

TEST_F(StreamTest, a_stream_nobody_adopts_closes_its_descriptor) {
  auto out = shake_hands("db.example");
  {
    DetachedStream lost = std::move(out->server_side).detach();
  }
  EXPECT_EQ(receive(out->client_side), "");
}

// Towards servers OpenSSL keeps the peer's certificates as well.
TEST_F(StreamTest, an_idle_connection_fits_its_memory) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "sanitizers replace malloc";
#endif
#endif
  constexpr size_t kPairs = 200;
  constexpr size_t kClientBytesMax = 17'000;
  constexpr size_t kServerBytesMax = 20'000;
  auto clients = client_context();
  auto servers = server_context();
  shake_hands("db.example", clients, servers);  // what is made once
  std::vector<std::unique_ptr<Outcome>> pairs;
  std::string bytes(100'000, 'x');
  size_t before = mallinfo2().uordblks;
  for (size_t i = 0; i < kPairs; ++i) {
    pairs.push_back(shake_hands("db.example", clients, servers));
    ASSERT_EQ(error_of(pairs.back()->accepted), "");
    std::string got;
    loop.spawn(send_all(pairs.back()->client_side, bytes));
    loop.spawn(receive_all(pairs.back()->server_side, got, bytes.size(), 65536));
    run_to_end();
    ASSERT_EQ(got.size(), bytes.size());
    send_text(pairs.back()->server_side, "back");
    ASSERT_EQ(receive(pairs.back()->client_side), "back");
  }
  auto used = [&] { return mallinfo2().uordblks; };
  size_t both = (used() - before) / kPairs;
  for (auto& pair : pairs) pair->server_side = Stream();
  size_t client_only = (used() - before) / kPairs;
  RecordProperty("client_side_bytes", static_cast<int>(client_only));
  RecordProperty("server_side_bytes", static_cast<int>(both - client_only));
  EXPECT_LT(client_only, kClientBytesMax);
  EXPECT_LT(both - client_only, kServerBytesMax);
}

}  // namespace
}  // namespace trunkline::tls
