#include "io/sim_network.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>

#include "io/backend.h"

namespace trunkline::io {

// One end of a connection: what it has received, and the state of its sending direction.
struct SimNetwork::End {
  int fd = -1;  // of nobody while in a backlog and after its close
  bool closed = false;

  std::string unread;
  bool fin_received = false;
  bool reset = false;
  int error = 0;  // told once: SO_ERROR
  bool read_shut = false;

  bool write_shut = false;
  bool wants_room = false;    // a write came short: the next room is an edge
  bool congested = false;     // for now there is no room, whatever the buffer says
  bool tail_is_lost = false;  // what is under way never arrives: the sender has reset
  size_t under_way = 0;       // sent and not arrived
  Instant last_arrival{};
};

struct SimNetwork::Connection {
  bool is_unix = false;
  bool connecting = false;
  size_t buffer_bytes = 0;
  size_t breaks_after = SIZE_MAX;  // bytes in both directions
  std::array<End, 2> ends;
};

struct SimNetwork::Listener {
  SocketAddress address;
  std::deque<std::pair<ConnectionPtr, SocketAddress>> backlog;

  bool enter(const ConnectionPtr& connection, const SocketAddress& peer) {
    if (backlog.size() >= kBacklogMax) return false;
    backlog.emplace_back(connection, peer);
    return true;
  }
};

struct SimNetwork::Descriptor {
  ConnectionPtr connection = nullptr;  // or a listener
  int side = 0;
  std::unique_ptr<Listener> listener = nullptr;

  End& end() const { return connection->ends[side]; }
};

namespace {

bool same_address(const SocketAddress& a, const SocketAddress& b) {
  return a.raw_length() == b.raw_length() && std::memcmp(a.raw(), b.raw(), a.raw_length()) == 0;
}

}  // namespace

SimNetwork::SimNetwork(const SimOptions& options, std::function<void(int fd)> on_edge)
    : options_(options), on_edge_(std::move(on_edge)), random_(options.seed) {}

SimNetwork::~SimNetwork() = default;

Instant SimNetwork::next_event() const {
  return events_.empty() ? Instant::max() : events_.begin()->first;
}

void SimNetwork::advance_to(Instant time) {
  while (!events_.empty() && events_.begin()->first <= time) {
    auto event = events_.extract(events_.begin());
    now_ = std::max(now_, event.key());
    event.mapped()();
  }
  now_ = std::max(now_, time);
}

void SimNetwork::at(Instant time, std::function<void()> action) {
  events_.emplace(time, std::move(action));
}

void SimNetwork::wake(const End& end) {
  if (end.fd >= 0) on_edge_(end.fd);
}

SimNetwork::Descriptor* SimNetwork::find(int fd) const {
  size_t index = static_cast<size_t>(fd) - kFirstFd;
  return fd < kFirstFd || index >= descriptors_.size() ? nullptr : descriptors_[index].get();
}

// The lowest free number, as the kernel: what is closed is soon somebody else's.
int SimNetwork::open(Descriptor descriptor) {
  auto free = std::find(descriptors_.begin(), descriptors_.end(), nullptr);
  if (free == descriptors_.end()) free = descriptors_.emplace(descriptors_.end());
  int fd = kFirstFd + static_cast<int>(free - descriptors_.begin());
  if (descriptor.connection) descriptor.end().fd = fd;
  *free = std::make_unique<Descriptor>(std::move(descriptor));
  return fd;
}

size_t SimNetwork::open_descriptors() const {
  return descriptors_.size() -
         static_cast<size_t>(std::count(descriptors_.begin(), descriptors_.end(), nullptr));
}

SimNetwork::ConnectionPtr SimNetwork::make_connection(bool is_unix) {
  auto connection = std::make_shared<Connection>();
  connection->is_unix = is_unix;
  size_t span = options_.buffer_bytes_max - options_.buffer_bytes_min;
  connection->buffer_bytes = options_.buffer_bytes_min + random_.below(span + 1);
  if (chance(options_.reset_chance)) {
    connection->breaks_after = 1 + random_.below(options_.reset_bytes_max);
  }
  return connection;
}

Duration SimNetwork::latency(bool is_unix) {
  auto span = static_cast<uint64_t>(options_.latency_max.count()) / (is_unix ? 8 : 1);
  Duration result(random_.below(span + 1));
  if (chance(options_.stall_chance)) {
    result += Duration(random_.below(static_cast<uint64_t>(options_.stall_max.count()) + 1));
  }
  return result;
}

// Bytes of one direction never overtake each other.
Instant SimNetwork::arrival(End& sender, bool is_unix) {
  sender.last_arrival = std::max(sender.last_arrival, now_ + latency(is_unix));
  return sender.last_arrival;
}

std::expected<int, int> SimNetwork::listen(const SocketAddress& address) {
  if (listener_at(address) != nullptr) return std::unexpected(-EADDRINUSE);
  auto listener = std::make_unique<Listener>();
  listener->address = address;
  return open({.listener = std::move(listener)});
}

SimNetwork::Listener* SimNetwork::listener_at(const SocketAddress& address) const {
  for (const auto& descriptor : descriptors_) {
    Listener* listener = descriptor ? descriptor->listener.get() : nullptr;
    if (listener != nullptr && same_address(listener->address, address)) return listener;
  }
  return nullptr;
}

std::pair<int, int> SimNetwork::socket_pair(bool is_unix) {
  ConnectionPtr connection = make_connection(is_unix);
  int first = open({.connection = connection, .side = 0});
  return {first, open({.connection = connection, .side = 1})};
}

std::expected<int, int> SimNetwork::connect(const SocketAddress& to) {
  if (to.is_unix()) {
    // At once or not at all.
    Listener* listener = listener_at(to);
    if (listener == nullptr || chance(options_.refuse_chance)) {
      return std::unexpected(-ECONNREFUSED);
    }
    ConnectionPtr connection = make_connection(true);
    if (!listener->enter(connection, SocketAddress{})) return std::unexpected(-EAGAIN);
    return open({.connection = std::move(connection), .side = 0});
  }
  static constexpr uint8_t kSource[4] = {192, 0, 2, 1};
  SocketAddress from = SocketAddress::ip(IpAddress::v4(kSource), next_port_);
  next_port_ = next_port_ == UINT16_MAX ? 32768 : next_port_ + 1;
  ConnectionPtr connection = make_connection(false);
  connection->connecting = true;
  int fd = open({.connection = connection, .side = 0});
  if (chance(options_.lost_chance)) return fd;
  at(now_ + latency(false), [this, connection, to, from] { decide_connect(connection, to, from); });
  return fd;
}

void SimNetwork::decide_connect(const ConnectionPtr& connection, const SocketAddress& to,
                                const SocketAddress& from) {
  End& client = connection->ends[0];
  if (client.closed) return;
  Listener* listener = listener_at(to);
  if (listener == nullptr || chance(options_.refuse_chance)) {
    client.error = ECONNREFUSED;
    client.reset = true;
  } else if (!listener->enter(connection, from)) {
    return;  // as if the packet was lost
  }
  connection->connecting = false;
  wake(client);
}

std::expected<std::pair<int, SocketAddress>, int> SimNetwork::accept(int fd) {
  Listener& listener = *find(fd)->listener;
  if (listener.backlog.empty()) return std::unexpected(-EAGAIN);
  auto [connection, peer] = std::move(listener.backlog.front());
  listener.backlog.pop_front();
  return std::pair{open({.connection = std::move(connection), .side = 1}), peer};
}

ssize_t SimNetwork::recv(int fd, std::span<char> into) {
  const Descriptor& descriptor = *find(fd);
  End& end = descriptor.end();
  if (!end.unread.empty()) {
    // All there is: a reader may take less than it asked for as the end of what is there.
    size_t count = std::min(into.size(), end.unread.size());
    std::memcpy(into.data(), end.unread.data(), count);
    end.unread.erase(0, count);
    announce_room(*descriptor.connection, 1 - descriptor.side);
    return static_cast<ssize_t>(count);
  }
  if (end.error != 0) return -std::exchange(end.error, 0);
  return end.reset || end.fin_received || end.read_shut ? 0 : -EAGAIN;
}

ssize_t SimNetwork::peek(int fd) const {
  const End& end = find(fd)->end();
  if (!end.unread.empty()) return 1;
  if (end.error != 0) return -end.error;
  return end.reset || end.fin_received || end.read_shut ? 0 : -EAGAIN;
}

ssize_t SimNetwork::send(int fd, std::span<const iovec> from) {
  const Descriptor& descriptor = *find(fd);
  const ConnectionPtr& connection = descriptor.connection;
  End& end = descriptor.end();
  if (end.error != 0) return -std::exchange(end.error, 0);
  bool peer_gone = connection->is_unix && connection->ends[1 - descriptor.side].closed;
  if (end.reset || end.write_shut || peer_gone) return -EPIPE;

  std::string bytes;
  for (const iovec& part : from)
    bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
  size_t count =
      connection->connecting ? 0 : std::min(bytes.size(), room(*connection, descriptor.side));
  bool cut = count > 1 && chance(options_.short_write_chance);
  if (cut) count = 1 + random_.below(count - 1);
  if (count < bytes.size()) end.wants_room = true;
  if (cut) congest(connection, descriptor.side);
  if (count == 0) return bytes.empty() ? 0 : -EAGAIN;
  bytes.resize(count);
  transmit(connection, descriptor.side, std::move(bytes));
  return static_cast<ssize_t>(count);
}

// A write was cut short although there was room: until a moment from now there is none.
void SimNetwork::congest(const ConnectionPtr& connection, int side) {
  connection->ends[side].congested = true;
  at(now_ + latency(connection->is_unix), [this, connection, side] {
    connection->ends[side].congested = false;
    announce_room(*connection, side);
  });
}

void SimNetwork::transmit(const ConnectionPtr& connection, int side, std::string bytes) {
  End& sender = connection->ends[side];
  bool breaks = bytes.size() >= connection->breaks_after;
  if (breaks) bytes.resize(connection->breaks_after - 1);
  connection->breaks_after -= connection->breaks_after == SIZE_MAX ? 0 : bytes.size();
  for (size_t sent = 0; sent < bytes.size();) {
    size_t piece = bytes.size() - sent;
    if (piece > 1 && chance(options_.split_chance)) piece = 1 + random_.below(piece - 1);
    sender.under_way += piece;
    at(arrival(sender, connection->is_unix),
       [this, connection, side, part = bytes.substr(sent, piece)] {
         connection->ends[side].under_way -= part.size();
         if (!connection->ends[side].tail_is_lost) deliver(connection, 1 - side, part);
       });
    sent += piece;
  }
  if (breaks) {
    connection->breaks_after = SIZE_MAX;
    at(arrival(sender, connection->is_unix), [this, connection] { break_connection(*connection); });
  }
}

void SimNetwork::deliver(const ConnectionPtr& connection, int to, const std::string& bytes) {
  End& receiver = connection->ends[to];
  if (receiver.reset) return;
  if (receiver.closed || receiver.read_shut) {
    // Nobody will read this, and the sender must know.
    send_reset(connection, to);
    if (!receiver.closed) reset_end(receiver);
    return;
  }
  receiver.unread += bytes;
  wake(receiver);
}

void SimNetwork::send_fin(const ConnectionPtr& connection, int side) {
  End& sender = connection->ends[side];
  sender.write_shut = true;
  at(arrival(sender, connection->is_unix), [this, connection, side] {
    if (connection->ends[side].tail_is_lost) return;
    End& receiver = connection->ends[1 - side];
    receiver.fin_received = true;
    wake(receiver);
  });
}

void SimNetwork::send_reset(const ConnectionPtr& connection, int side) {
  End& sender = connection->ends[side];
  // What was sent before and has not arrived may be lost with it; a unix socket's bytes are in
  // their receiver's queue from the beginning.
  sender.tail_is_lost |= !connection->is_unix && chance(500);
  at(arrival(sender, connection->is_unix),
     [this, connection, side] { reset_end(connection->ends[1 - side]); });
}

void SimNetwork::break_connection(Connection& connection) {
  for (End& end : connection.ends) {
    end.tail_is_lost = true;
    reset_end(end);
  }
}

// What arrived before can still be read.
void SimNetwork::reset_end(End& end) {
  if (end.closed || end.reset) return;
  end.reset = true;
  end.error = end.fin_received ? EPIPE : ECONNRESET;
  wake(end);
}

int SimNetwork::take_error(int fd) {
  return -std::exchange(find(fd)->end().error, 0);
}

void SimNetwork::shutdown(int fd, int how) {
  const Descriptor& descriptor = *find(fd);
  End& end = descriptor.end();
  if (how != SHUT_WR) end.read_shut = true;
  if (how != SHUT_RD && !end.write_shut && !end.reset)
    send_fin(descriptor.connection, descriptor.side);
  wake(end);
}

void SimNetwork::close(int fd) {
  Descriptor* found = find(fd);
  assert(found != nullptr && "closed twice");
  Descriptor descriptor = std::move(*found);
  descriptors_[static_cast<size_t>(fd - kFirstFd)].reset();
  if (descriptor.connection) return close_end(descriptor.connection, descriptor.side);
  for (auto& [connection, peer] : descriptor.listener->backlog) {
    send_reset(connection, 1);
    connection->ends[1].closed = true;
  }
}

void SimNetwork::close_end(const ConnectionPtr& connection, int side) {
  End& end = connection->ends[side];
  end.closed = true;
  end.fd = -1;
  if (end.reset) return;
  if (!end.unread.empty()) {
    send_reset(connection, side);
  } else if (!end.write_shut) {
    send_fin(connection, side);
  }
  end.unread.clear();
}

size_t SimNetwork::room(const Connection& connection, int side) {
  const End& sender = connection.ends[side];
  size_t used = sender.under_way + connection.ends[1 - side].unread.size();
  return sender.congested || used >= connection.buffer_bytes ? 0 : connection.buffer_bytes - used;
}

// A unix socket reports room each time its peer reads; TCP only to a writer that found too little,
// and when a third is free.
void SimNetwork::announce_room(Connection& connection, int sender) {
  End& end = connection.ends[sender];
  if (end.closed || (poll_end(connection, sender, true) & kWritable) == 0) return;
  if (!connection.is_unix && !end.wants_room) return;
  end.wants_room = false;
  wake(end);
}

uint8_t SimNetwork::poll_end(const Connection& connection, int side, bool asks_for_room) {
  if (connection.connecting) return 0;
  const End& end = connection.ends[side];
  const End& peer = connection.ends[1 - side];
  bool dead = end.reset || end.error != 0 ||
              (end.write_shut && (end.read_shut || end.fin_received)) ||
              (connection.is_unix && peer.closed && end.fin_received);
  if (dead) return kReadable | kWritable | kHangup;
  uint8_t ready = 0;
  if (!end.unread.empty()) ready |= kReadable;
  if (end.fin_received || end.read_shut) ready |= kReadable | kHangup;
  bool has_room = end.write_shut || room(connection, side) > connection.buffer_bytes / 3;
  if (asks_for_room && has_room) ready |= kWritable;
  return ready;
}

uint8_t SimNetwork::poll(int fd, bool asks_for_room) const {
  const Descriptor& descriptor = *find(fd);
  if (descriptor.connection) {
    return poll_end(*descriptor.connection, descriptor.side, asks_for_room);
  }
  return descriptor.listener->backlog.empty() ? 0 : kReadable;
}

}  // namespace trunkline::io
