// A PostgreSQL server that does nothing, fast: one thread, every query gets the same small row,
// `select bulk(n)` streams n rows of 1 KiB; what poolers send between the queries of two clients is
// answered as PostgreSQL does. It exists so that what a proxy costs is measured, not what a
// database does.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <sys/epoll.h>
#include <unistd.h>
#include <unordered_map>

#include "bench/fake_replies.h"
#include "bench/fake_session.h"
#include "bench/messages.h"
#include "bench/net.h"
#include "bench/scram.h"

namespace trunkline::bench {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kMessageBytesMax = 1 << 20;  // of larger ones the rest is read and dropped
constexpr size_t kUnsentBytesMax = 1 << 20;   // who does not read is not listened to either
constexpr std::string_view kBulk = "select bulk(";

class Connection {
 public:
  Connection(int fd, const Replies& replies, const std::string& verifier)
      : fd_(fd), replies_(replies), verifier_(verifier), session_(replies) {}
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;

  // False when the connection is over.
  bool on_readable();
  bool flush();
  bool wants_read() const { return out_.size() + after_bulk_.size() < kUnsentBytesMax; }
  bool wants_write() const { return !out_.empty() || bulk_rows_left_ > 0; }

 private:
  bool take_messages(std::string_view& bytes);
  bool on_packet(std::string_view body);
  bool on_password(std::string_view body);
  void on_message(char type, std::string_view body);
  void start_bulk(size_t rows);
  bool send_bulk();
  bool send_some(std::string_view bytes, size_t& sent);

  const int fd_;
  const Replies& replies_;
  const std::string& verifier_;
  std::string in_;   // an incomplete message
  size_t skip_ = 0;  // bytes left of a large one
  std::string out_;  // what the socket did not take
  std::optional<ScramServer> scram_;
  FakeSession session_;
  bool started_ = false;
  bool logged_in_ = false;
  bool terminated_ = false;
  size_t bulk_rows_left_ = 0;
  size_t bulk_offset_ = 0;  // bytes already sent of the block in hand
  std::string after_bulk_;
};

bool Connection::on_readable() {
  static char buffer[kReadBytes];
  ssize_t count = ::recv(fd_, buffer, sizeof buffer, 0);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  std::string_view bytes(buffer, static_cast<size_t>(count));
  if (!in_.empty()) {
    in_ += bytes;
    std::string whole = std::move(in_);
    in_.clear();
    bytes = whole;
    if (!take_messages(bytes)) return false;
    in_ = bytes;
  } else {
    if (!take_messages(bytes)) return false;
    in_ = bytes;
  }
  return flush() && !terminated_;
}

// Consumes the whole messages at the front of `bytes`.
bool Connection::take_messages(std::string_view& bytes) {
  for (;;) {
    size_t skipped = std::min(skip_, bytes.size());
    bytes.remove_prefix(skipped);
    skip_ -= skipped;
    size_t type_bytes = started_ ? 1 : 0;
    if (bytes.size() < type_bytes + 4) return true;
    size_t length = load_u32(bytes.data() + type_bytes);
    if (length < 4) return false;
    if (length > kMessageBytesMax) {
      if (!logged_in_) return false;
      on_message(bytes[0], {});
      skip_ = type_bytes + length;
      continue;
    }
    if (bytes.size() < type_bytes + length) return true;
    std::string_view body = bytes.substr(type_bytes + 4, length - 4);
    char type = bytes[0];
    bytes.remove_prefix(type_bytes + length);
    if (type_bytes == 0) {
      if (!on_packet(body)) return false;
    } else if (!logged_in_) {
      if (type != 'p' || !on_password(body)) return false;
    } else {
      on_message(type, body);
    }
  }
}

bool Connection::on_packet(std::string_view body) {
  if (body.size() < 4) return false;
  uint32_t code = load_u32(body.data());
  if (code == kSslRequest || code == kGssEncRequest) {
    out_ += 'N';
    return true;
  }
  if (code == kCancelRequest) return false;
  started_ = true;
  session_.start(body);
  if (verifier_.empty()) {
    logged_in_ = true;
    session_.append_logged_in(out_);
  } else {
    scram_.emplace(verifier_);
    out_ += message('R', u32(kAuthSasl) + c_string("SCRAM-SHA-256") + '\0');
  }
  return true;
}

bool Connection::on_password(std::string_view body) {
  size_t name_end = body.find('\0');
  if (name_end != body.npos) {  // SASLInitialResponse: mechanism, length, data
    out_ += message('R', u32(kAuthSaslContinue) + scram_->first(body.substr(name_end + 5)));
    return true;
  }
  std::optional<std::string> answer = scram_->final(body);
  if (!answer) return false;
  out_ += message('R', u32(kAuthSaslFinal) + *answer);
  session_.append_logged_in(out_);
  logged_in_ = true;
  scram_.reset();
  return true;
}

void Connection::on_message(char type, std::string_view body) {
  // Replies to what comes behind a bulk query wait for its end.
  std::string& out = bulk_rows_left_ > 0 ? after_bulk_ : out_;
  switch (type) {
    case 'Q':
      if (body.starts_with(kBulk) && bulk_rows_left_ == 0) {
        start_bulk(std::strtoul(body.data() + kBulk.size(), nullptr, 10));
      } else {
        session_.query(body, out);
      }
      break;
    case 'P':
      session_.parse(body);
      out += replies_.parsed;
      break;
    case 'B':
      session_.bind(body);
      out += replies_.bound;
      break;
    case 'C':
      session_.close(body);
      out += replies_.closed;
      break;
    case 'D':
      session_.describe(body, out);
      break;
    case 'E':
      session_.execute(out);
      break;
    case 'S':
      session_.ready(out);
      break;
    case 'X':
      terminated_ = true;
      break;
    default:
      break;  // Flush: everything is flushed anyway
  }
}

void Connection::start_bulk(size_t rows) {
  // Whole blocks, so that a block can be sent as it lies; the caller counts bytes, not rows.
  bulk_rows_left_ = (rows + kBulkBlockRows - 1) / kBulkBlockRows * kBulkBlockRows;
  bulk_offset_ = 0;
  out_ += replies_.bulk_description;
  after_bulk_ =
      message('C', c_string("SELECT " + std::to_string(bulk_rows_left_))) + replies_.ready;
}

bool Connection::send_some(std::string_view bytes, size_t& sent) {
  ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  sent = count < 0 ? 0 : static_cast<size_t>(count);
  return count >= 0 || errno == EAGAIN || errno == EINTR;
}

bool Connection::flush() {
  size_t sent = 0;
  if (!out_.empty()) {
    if (!send_some(out_, sent)) return false;
    out_.erase(0, sent);
  }
  return !out_.empty() || bulk_rows_left_ == 0 || send_bulk();
}

// One block for each call, so that connections take turns.
bool Connection::send_bulk() {
  size_t sent = 0;
  if (!send_some(std::string_view(replies_.bulk_block).substr(bulk_offset_), sent)) return false;
  bulk_offset_ += sent;
  if (bulk_offset_ < replies_.bulk_block.size()) return true;
  bulk_offset_ = 0;
  bulk_rows_left_ -= kBulkBlockRows;
  if (bulk_rows_left_ > 0) return true;
  out_ += after_bulk_;
  after_bulk_.clear();
  return flush();
}

class FakeServer {
 public:
  FakeServer(const std::vector<std::string>& addresses, std::string verifier)
      : verifier_(std::move(verifier)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (const std::string& address : addresses) {
      listeners_.push_back(Address(address).listen());
      watch(listeners_.back(), EPOLL_CTL_ADD, EPOLLIN);
    }
  }

  [[noreturn]] void run() {
    constexpr int kEvents = 256;
    epoll_event events[kEvents];
    for (;;) {
      int count = ::epoll_wait(epoll_, events, kEvents, -1);
      if (count < 0 && errno != EINTR) die("epoll_wait");
      for (int i = 0; i < count; ++i) handle(events[i]);
    }
  }

 private:
  struct Slot {
    std::unique_ptr<Connection> connection;
    uint32_t watched = EPOLLIN;
  };

  void watch(int fd, int how, uint32_t events) {
    epoll_event event{.events = events, .data = {.fd = fd}};
    if (::epoll_ctl(epoll_, how, fd, &event) != 0) die("epoll_ctl");
  }

  void handle(const epoll_event& event) {
    int fd = event.data.fd;
    if (std::ranges::find(listeners_, fd) != listeners_.end()) {
      accept_all(fd);
      return;
    }
    auto slot = slots_.find(fd);
    Connection& connection = *slot->second.connection;
    bool open = (event.events & EPOLLOUT) == 0 || connection.flush();
    if (open && (event.events & ~EPOLLOUT) != 0) open = connection.on_readable();
    if (!open) {
      slots_.erase(slot);
      return;
    }
    uint32_t wanted =
        (connection.wants_read() ? EPOLLIN : 0U) | (connection.wants_write() ? EPOLLOUT : 0U);
    if (wanted != slot->second.watched) {
      slot->second.watched = wanted;
      watch(fd, EPOLL_CTL_MOD, wanted);
    }
  }

  void accept_all(int listener) {
    for (int fd; (fd = accept_from(listener)) >= 0;) {
      slots_[fd].connection = std::make_unique<Connection>(fd, replies_, verifier_);
      watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
  }

  const Replies replies_;
  const std::string verifier_;
  const int epoll_;
  std::vector<int> listeners_;
  std::unordered_map<int, Slot> slots_;
};

}  // namespace
}  // namespace trunkline::bench

// NOLINTNEXTLINE(bugprone-exception-escape): it ends the process, as everything unexpected does
int main(int argc, char** argv) {
  CLI::App app("A PostgreSQL server that answers everything with the same row");
  std::vector<std::string> addresses;
  std::string verifier;
  app.add_option("--listen", addresses, "HOST:PORT or the path of a unix socket; may be repeated")
      ->required();
  app.add_option("--scram", verifier, "ask for SCRAM-SHA-256 with this verifier; trust without it");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  trunkline::bench::raise_descriptor_limit();
  trunkline::bench::FakeServer(addresses, verifier).run();
}
