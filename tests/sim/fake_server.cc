#include "sim/fake_server.h"

#include <fmt/format.h>
#include <utility>

#include "base/bytes.h"
#include "wire/builders.h"
#include "wire/message_buffer.h"
#include "wire/messages.h"
#include "wire/startup.h"

namespace trunkline::sim {

namespace {

// A server does not read on while so much of its answers waits for the client.
constexpr size_t kUnsentMax = 32 * 1024;
constexpr size_t kMessageBytesMax = 4 << 20;
constexpr Duration kEndlessPause = 1ms;
constexpr Duration kLastWordsMax = 30s;
constexpr uint64_t kGreetingMessages = 5;  // AuthenticationOk to ReadyForQuery

}  // namespace

FakeServer::FakeServer(io::Loop& loop, io::SimNetwork& network, const io::SocketAddress& address,
                       const ServerManners& manners, uint64_t seed, Journal& journal)
    : loop_(loop),
      network_(network),
      is_unix_(address.is_unix()),
      manners_(manners),
      random_(seed),
      journal_(journal),
      listening_fd_(network.listen(address).value()),
      acceptor_(loop, listening_fd_),
      waiter_(loop) {
  acceptor_.bind(waiter_);
}

void FakeServer::stop() {
  acceptor_.stop();
  network_.close(listening_fd_);
}

io::Task<> FakeServer::accept_loop() {
  for (;;) {
    co_await waiter_.wait(io::kReadable);
    while (auto accepted = acceptor_.accept()) {
      ++connections_;
      loop_.spawn(serve(accepted->fd));
    }
  }
}

io::Task<> FakeServer::serve(int fd) {
  {
    Peer peer(loop_, io::Socket(loop_, fd, is_unix_));
    std::string user = co_await read_startup(peer);
    if (!user.empty()) co_await serve_session(peer, std::move(user));
  }
  --connections_;
}

// The user who logs in; empty when nobody does.
io::Task<std::string> FakeServer::read_startup(Peer& peer) {
  for (;;) {
    std::string_view bytes = peer.received;
    uint32_t length = bytes.size() < 8 ? UINT32_MAX : load_big_endian<uint32_t>(bytes.data());
    if (bytes.size() < length) {
      if (peer.ended) co_return "";
      co_await peer.turn(Instant::max());
      continue;
    }
    uint32_t code = load_big_endian<uint32_t>(bytes.data() + 4);
    std::string body(bytes.substr(4, length - 4));
    peer.received.erase(0, length);
    if (code == wire::kSslRequestCode) {
      peer.send("N");
    } else if (code == wire::kCancelRequestCode) {
      cancel(body.substr(4));
      co_return "";
    } else {
      auto packet = wire::parse_startup(body);
      if (!packet) journal_.problem("a server got a startup packet that is none");
      co_return packet ? packet->user : "";
    }
  }
}

void FakeServer::cancel(std::string_view body) {
  auto found = sessions_.find(load_big_endian<uint32_t>(body.data()));
  if (found == sessions_.end() || found->second->key != body.substr(4)) return;
  Session& session = *found->second;
  if (!journal_.may_be_cancelled.contains(session.name)) {
    journal_.problem("a cancel reached " + session.name + ", who asked for none");
  }
  session.cancelled = true;
  session.peer.wake();
}

io::Task<bool> FakeServer::ask_password(Peer& peer) {
  std::string request;
  wire::append_authentication_cleartext(request);
  peer.send(request);
  ++journal_.messages_received;
  std::string expected;
  wire::append_password(expected, kPassword);
  while (peer.received.size() < expected.size() && !peer.ended) co_await peer.turn(Instant::max());
  if (peer.ended) co_return false;
  if (!peer.received.starts_with(expected)) journal_.problem("a server got a wrong password");
  peer.received.erase(0, expected.size());
  co_return true;
}

io::Task<> FakeServer::serve_session(Peer& peer, std::string name) {
  if (chance(manners_.drops)) co_return;
  while (manners_.hangs > 0 && chance(manners_.hangs) && !peer.ended) {
    while (!peer.ended) co_await peer.turn(Instant::max());
    co_return;
  }
  if (manners_.asks_password && !co_await ask_password(peer)) co_return;
  std::string greeting;
  if (chance(manners_.refuses)) {
    wire::append_fatal(greeting, {.sqlstate = sqlstate::kTooManyConnections,
                                  .message = "sorry, too many clients already"});
    peer.send(greeting);
    Instant deadline = loop_.now() + kLastWordsMax;
    while (peer.unsent() > 0 && loop_.now() < deadline) co_await peer.turn(deadline, 0);
    co_return;
  }
  uint32_t process_id = next_process_id_++;
  std::string key(4, '\0');
  store_big_endian(key.data(), static_cast<uint32_t>(random_.next()));
  wire::append_authentication_ok(greeting);
  wire::append_parameter_status(greeting, "session", name);
  wire::append_parameter_status(greeting, "server_version", "18.4");
  wire::append_backend_key_data(greeting, process_id, key);
  wire::append_ready_for_query(greeting, wire::TransactionStatus::idle);
  peer.send(greeting);
  journal_.messages_received += kGreetingMessages;
  Session session{.name = std::move(name), .key = std::move(key), .peer = peer};
  sessions_[process_id] = &session;
  co_await run(session);
  sessions_.erase(process_id);
}

io::Task<> FakeServer::run(Session& session) {
  Peer& peer = session.peer;
  PostgresModel model(session.name);
  wire::MessageBuffer messages(wire::kClientRules, kMessageBytesMax);
  for (;;) {
    messages.append(std::exchange(peer.received, {}));
    for (auto next = messages.next(); next.kind != wire::MessageBuffer::Next::Kind::need_more;
         next = messages.next()) {
      if (next.kind != wire::MessageBuffer::Next::Kind::message) {
        journal_.problem("the server of " + session.name + " got a broken stream");
        co_return;
      }
      model.on_message(next.type, next.body);
      messages.pop();
    }
    if (std::exchange(session.cancelled, false)) model.cancel();
    bool runs_endless = model.runs_endless();
    if (runs_endless && peer.unsent() < kUnsentMax) model.go_on();
    for (; !model.out.empty(); model.out.pop_front()) peer.send(model.out.front());
    if (model.ended() || peer.ended || peer.sends_fail) break;
    Instant deadline = runs_endless ? loop_.now() + kEndlessPause : Instant::max();
    co_await peer.turn(deadline, peer.unsent() < kUnsentMax ? 8192 : 0);
    if (runs_endless) co_await loop_.sleep_until(deadline);
  }
  // What was asked is answered, also when the client will send no more.
  Instant deadline = loop_.now() + kLastWordsMax;
  while (peer.unsent() > 0 && loop_.now() < deadline) co_await peer.turn(deadline, 0);
}

}  // namespace trunkline::sim
