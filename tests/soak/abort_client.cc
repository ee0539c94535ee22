#include "soak/abort_client.h"

#include <algorithm>
#include <cerrno>
#include <fmt/core.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/messages.h"

namespace trunkline::soak {

using bench::c_string;
using bench::message;
using bench::packet;
using bench::u16;
using bench::u32;

namespace {

constexpr uint64_t kPatienceNs = 30'000'000'000;
constexpr size_t kResultBytesMax = 1 << 20;    // leaves a result before it has read more
constexpr size_t kFarewellBytesMax = 1 << 18;  // is read after a half close
constexpr size_t kKeysKept = 64;

constexpr std::string_view kReady("Z\0\0\0\5I", 6);

std::string extended(const std::string& query) {
  return message('P', c_string("") + c_string(query) + u16(0)) +
         message('B', c_string("") + c_string("") + u16(0) + u16(0) + u16(0)) +
         message('D', std::string("P") + '\0') + message('E', c_string("") + u32(0)) +
         message('S', "");
}

bool is_held(char type) {
  return type == 'R' || type == 'K' || type == 'Z';
}

}  // namespace

void AbortClient::begin() {
  static uint32_t source = 0;
  plan_ = planner_.next();
  state_ = State::connecting;
  out_.clear();
  in_.clear();
  skip_ = 0;
  received_ = 0;
  leaving_ = logged_in_ = false;
  scram_.reset();
  deadline_ns_ = bench::now_ns() + kPatienceNs;
  fd_ = target_.address.connect(++source);
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = this}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event) != 0) bench::die("epoll_ctl");
}

void AbortClient::on_event() {
  if (done()) return;  // closed earlier in this batch
  if (state_ == State::connecting) {
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
      errno = error;
      bench::die("connect");  // the proxy is gone
    }
    on_connected();
  } else if (state_ == State::handshake) {
    handshake();
  }
  if (!done() && state_ != State::handshake) flush();
  if (!done() && state_ != State::handshake) read();
}

void AbortClient::on_time(uint64_t now_ns) {
  if (!done() && now_ns > deadline_ns_) {
    fmt::print(stderr,
               "stuck: stage {}, farewell {}, tls {}, purpose {}, cut {}, state {}, logged in {}, "
               "received {}, unsent {}\n",
               kStageNames[static_cast<size_t>(plan_.stage)], static_cast<int>(plan_.farewell),
               static_cast<int>(plan_.tls), static_cast<int>(plan_.purpose), plan_.cut,
               static_cast<int>(state_), logged_in_, received_, out_.size());
    plan_.farewell = Farewell::rst;
    leave(tally_.stuck);
  }
}

void AbortClient::on_connected() {
  if (plan_.stage == Stage::connected) {
    leave(tally_.planned);
  } else if (plan_.tls == Tls::starttls) {
    state_ = State::ssl_request;
    pass(Stage::ssl_request, packet(u32(bench::kSslRequest)));
  } else if (plan_.tls == Tls::direct) {
    start_tls();
  } else {
    start_session();
  }
}

void AbortClient::start_tls() {
  state_ = State::handshake;
  if (plan_.stage == Stage::handshake && plan_.cut % 2 == 0) {
    cut_client_hello();
    return;
  }
  tls_ = SSL_new(target_.tls_context);
  SSL_set_fd(tls_, fd_);
  SSL_set_connect_state(tls_);
  SSL_do_handshake(tls_);
}

// A part of the first flight, with or without bytes behind it that are none of TLS.
void AbortClient::cut_client_hello() {
  SSL* tls = SSL_new(target_.tls_context);
  BIO* written = BIO_new(BIO_s_mem());
  SSL_set_bio(tls, BIO_new(BIO_s_mem()), written);
  SSL_set_connect_state(tls);
  SSL_do_handshake(tls);
  char* data = nullptr;
  long bytes = BIO_get_mem_data(written, &data);
  std::string hello(data, static_cast<size_t>(bytes));
  SSL_free(tls);
  ERR_clear_error();
  hello.resize(plan_.cut / 4 % (hello.size() + 1));
  if (plan_.cut % 4 == 0) hello += planner_.noise();
  ::send(fd_, hello.data(), hello.size(), MSG_NOSIGNAL);
  leave(tally_.planned);
}

void AbortClient::handshake() {
  if (plan_.stage == Stage::handshake) {  // the other side's flight has come, and is not read
    leave(tally_.planned);
    return;
  }
  int status = SSL_do_handshake(tls_);
  int error = status == 1 ? SSL_ERROR_NONE : SSL_get_error(tls_, status);
  ERR_clear_error();
  if (status == 1) {
    start_session();
  } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
    on_closed();
  }
}

void AbortClient::start_session() {
  state_ = State::open;
  switch (plan_.purpose) {
    case Purpose::session:
      log_in();
      break;
    case Purpose::cancel: {
      std::pair<uint32_t, uint32_t> key{planner_.number(), planner_.number()};
      if (plan_.cut % 2 == 0 && !tally_.keys.empty()) {
        key = tally_.keys[planner_.number() % tally_.keys.size()];
      }
      pass(Stage::startup, packet(u32(bench::kCancelRequest) + u32(key.first) + u32(key.second)));
      break;
    }
    case Purpose::garbage:
      pass(Stage::startup, planner_.noise());
      break;
  }
}

void AbortClient::log_in() {
  const std::string& user = plan_.scram ? target_.scram_user : target_.user;
  pass(Stage::startup, packet(u32(bench::kProtocol30) + c_string("user") + c_string(user) +
                              c_string("database") + c_string(target_.database) + '\0'));
}

// Sends what takes the client past `stage`, or a part of it if that is where it leaves.
void AbortClient::pass(Stage stage, std::string bytes) {
  if (plan_.stage == stage) {
    bytes.resize(plan_.cut % (bytes.size() + 1));
    leaving_ = true;
  }
  out_ += bytes;
  flush();
}

void AbortClient::flush() {
  if (done()) return;
  while (!out_.empty()) {
    ssize_t sent = tls_ == nullptr ? ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL)
                                   : SSL_write(tls_, out_.data(), static_cast<int>(out_.size()));
    ERR_clear_error();
    if (sent <= 0) return;  // what is wrong shows at the next read
    out_.erase(0, static_cast<size_t>(sent));
  }
  if (leaving_) leave(tally_.planned);
}

ssize_t AbortClient::receive(char* into, size_t bytes) {
  if (tls_ == nullptr) {
    ssize_t count = ::recv(fd_, into, bytes, 0);
    return count < 0 && errno != EAGAIN ? 0 : count;
  }
  int count = SSL_read(tls_, into, static_cast<int>(bytes));
  if (count > 0) return count;
  int error = SSL_get_error(tls_, count);
  ERR_clear_error();
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

void AbortClient::read() {
  static std::array<char, 64 * 1024> buffer;
  while (!done() && state_ != State::handshake) {
    // Behind the answer to an SSLRequest TLS begins.
    size_t wanted = state_ == State::ssl_request ? 1 : buffer.size();
    ssize_t count = receive(buffer.data(), wanted);
    if (count < 0) return;
    if (count == 0) {
      on_closed();
    } else if (state_ == State::closing) {
      received_ += static_cast<uint64_t>(count);
      if (received_ > kFarewellBytesMax) close();
    } else if (state_ == State::ssl_request) {
      start_tls();
    } else {
      feed({buffer.data(), static_cast<size_t>(count)});
    }
  }
}

void AbortClient::feed(std::string_view bytes) {
  if (logged_in_ && plan_.stage == Stage::result) {
    received_ += bytes.size();
    // Another client's cancel request may have ended it.
    bool over = bytes.ends_with(kReady);
    if (over || received_ >= plan_.cut % kResultBytesMax) leave(tally_.planned);
    return;
  }
  size_t skipped = std::min(skip_, bytes.size());
  skip_ -= skipped;
  in_ += bytes.substr(skipped);
  while (!done() && in_.size() >= bench::kHeaderBytes) {
    char type = in_[0];
    size_t whole = 1 + bench::load_u32(in_.data() + 1);
    if (is_held(type) && in_.size() < whole) return;
    size_t here = std::min(whole, in_.size());
    std::string piece = in_.substr(0, here);
    in_.erase(0, here);
    skip_ = whole - here;
    handle(type, std::string_view(piece).substr(bench::kHeaderBytes));
  }
}

void AbortClient::handle(char type, std::string_view body) {
  if (type == 'R') on_authentication(body);
  if (type == 'Z') on_ready();
  if (type == 'K') {
    std::pair key{bench::load_u32(body.data()), bench::load_u32(body.data() + 4)};
    if (tally_.keys.size() < kKeysKept) {
      tally_.keys.push_back(key);
    } else {
      tally_.keys[planner_.number() % kKeysKept] = key;
    }
  }
}

void AbortClient::on_authentication(std::string_view body) {
  uint32_t code = bench::load_u32(body.data());
  if (code == bench::kAuthSasl) {
    scram_.emplace(target_.password);
    std::string first = scram_->first();
    std::string reply = message('p', c_string("SCRAM-SHA-256") + u32(first.size()) + first);
    // One half leaves in the first message, the other in the second.
    if (plan_.cut % 2 == 0 && !plan_.wrong_password) {
      pass(Stage::authentication, reply);
    } else {
      out_ += reply;
      flush();
    }
  } else if (code == bench::kAuthSaslContinue) {
    std::string final = scram_->final(body.substr(4));
    if (plan_.wrong_password) {
      // The base64 of the proof's first bytes. Then the other side says FATAL and closes.
      final.replace(final.rfind(",p=") + 3, 4, "AAAA");
      out_ += message('p', final);
      flush();
    } else {
      pass(Stage::authentication, message('p', final));
    }
  }
}

void AbortClient::on_ready() {
  if (logged_in_) {
    leave(tally_.planned);
    return;
  }
  logged_in_ = true;
  if (plan_.stage == Stage::logged_in) {
    leave(tally_.planned);
    return;
  }
  const std::string& query = plan_.stage == Stage::answered ? target_.query : target_.bulk_query;
  std::string request = message('Q', c_string(query));
  if (plan_.pipelined && plan_.stage == Stage::query) {
    for (uint32_t i = plan_.cut % 50; i > 0; --i) request.insert(0, extended(target_.query));
  }
  pass(Stage::query, std::move(request));
}

void AbortClient::on_closed() {
  if (state_ == State::closing) {
    close();
    return;
  }
  bool wanted =
      plan_.wrong_password || (plan_.purpose == Purpose::cancel && plan_.stage == Stage::answered);
  plan_.farewell = Farewell::fin;
  leave(wanted ? tally_.planned : tally_.early);
}

void AbortClient::leave(Tally::Counts& counts) {
  ++counts[static_cast<size_t>(plan_.stage)];
  switch (plan_.farewell) {
    case Farewell::rst: {
      linger now{.l_onoff = 1, .l_linger = 0};
      ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
      break;
    }
    case Farewell::half_close:
      if (tls_ != nullptr) SSL_shutdown(tls_);
      ERR_clear_error();
      ::shutdown(fd_, SHUT_WR);
      state_ = State::closing;
      received_ = 0;
      leaving_ = false;
      out_.clear();
      return;
    case Farewell::polite:
      leaving_ = false;
      if (logged_in_ && out_.empty()) {
        out_ = message('X', "");
        flush();
      }
      if (tls_ != nullptr) SSL_shutdown(tls_);
      ERR_clear_error();
      break;
    default:
      break;
  }
  close();
}

void AbortClient::close() {
  if (fd_ < 0) return;
  SSL_free(std::exchange(tls_, nullptr));
  ::close(std::exchange(fd_, -1));
}

}  // namespace trunkline::soak
