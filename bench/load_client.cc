#include "bench/load_client.h"

#include <algorithm>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utility>

#include "bench/messages.h"

namespace trunkline::bench {
namespace {

constexpr size_t kReadBytes = 256 * 1024;

// Bodies that are looked at; all others are only counted.
bool is_held(char type) {
  return type == 'R' || type == 'E' || type == 'Z';
}

// How many bytes of what starts here handle() wants at once.
size_t wanted_bytes(std::string_view start) {
  if (start.size() < kHeaderBytes || !is_held(start[0])) return kHeaderBytes;
  return 1 + load_u32(start.data() + 1);
}

}  // namespace

SSL_CTX* new_tls_context() {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_RELEASE_BUFFERS);
  constexpr unsigned char kAlpn[] = "\x0apostgresql";
  SSL_CTX_set_alpn_protos(context, kAlpn, sizeof kAlpn - 1);
  return context;
}

Client::~Client() {
  close();
}

void Client::connect() {
  static uint32_t source = 0;
  state_ = State::connecting;
  started_ns = now_ns();
  fd_ = target_.address.connect(target_.rotate_source ? ++source : 0);
  epoll_event event{.events = EPOLLIN | EPOLLOUT, .data = {.ptr = this}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event) != 0) die("epoll_ctl");
  write_watched_ = true;
}

void Client::on_event(uint32_t ready) {
  if (fd_ < 0) return;  // closed earlier in this batch
  switch (state_) {
    case State::connecting:
      on_connected();
      return;
    case State::handshake:
      handshake();
      return;
    default:
      if ((ready & EPOLLOUT) != 0) flush();
      if ((ready & ~EPOLLOUT) != 0) read();
  }
}

void Client::on_connected() {
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) {
    errno = error;
    die("connect");
  }
  if (target_.tls == Tls::off) {
    log_in();
  } else if (target_.tls == Tls::direct) {
    start_tls();
  } else {
    state_ = State::ssl_request;
    send(packet(u32(kSslRequest)));
  }
}

void Client::start_tls() {
  tls_ = SSL_new(target_.tls_context);
  SSL_set_fd(tls_, fd_);
  SSL_set_connect_state(tls_);
  state_ = State::handshake;
  handshake();
}

void Client::handshake() {
  int status = SSL_do_handshake(tls_);
  if (status == 1) {
    log_in();
    return;
  }
  int error = SSL_get_error(tls_, status);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
    ERR_print_errors_fp(stderr);
    die_plain("TLS handshake failed");
  }
  watch(error == SSL_ERROR_WANT_WRITE);
}

void Client::log_in() {
  state_ = State::login;
  send(packet(u32(kProtocol30) + c_string("user") + c_string(target_.user) + c_string("database") +
              c_string(target_.database) + c_string("client_encoding") + c_string("UTF8") + '\0'));
}

ssize_t Client::receive(char* into, size_t bytes) {
  if (tls_ == nullptr) {
    ssize_t count = ::recv(fd_, into, bytes, 0);
    if (count < 0 && errno != EAGAIN && errno != EINTR && state_ != State::finishing) die("recv");
    return count < 0 && errno == ECONNRESET ? 0 : count;
  }
  int count = SSL_read(tls_, into, static_cast<int>(bytes));
  if (count > 0) return count;
  int error = SSL_get_error(tls_, count);
  ERR_clear_error();
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

void Client::read() {
  static char buffer[kReadBytes];
  if (state_ == State::ssl_request) {
    // Exactly one byte: what follows belongs to TLS.
    if (::recv(fd_, buffer, 1, 0) != 1 || buffer[0] != 'S') die_plain("TLS was refused");
    start_tls();
    return;
  }
  for (;;) {
    ssize_t count = receive(buffer, sizeof buffer);
    if (count < 0) return;
    if (count == 0) {
      if (state_ != State::finishing) die_plain("the connection was closed");
      close();
      events_.closed(*this);
      return;
    }
    bytes_received_ += static_cast<uint64_t>(count);
    feed({buffer, static_cast<size_t>(count)});
    if (fd_ < 0 || (tls_ == nullptr && static_cast<size_t>(count) < sizeof buffer)) return;
  }
}

void Client::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (skip_ > 0) {
      size_t skipped = std::min(skip_, bytes.size());
      skip_ -= skipped;
      bytes.remove_prefix(skipped);
    } else if (partial_.empty() && bytes.size() >= wanted_bytes(bytes)) {
      std::string_view message = bytes.substr(0, wanted_bytes(bytes));
      bytes.remove_prefix(message.size());
      handle(message);
    } else {
      size_t taken = std::min(wanted_bytes(partial_) - partial_.size(), bytes.size());
      partial_ += bytes.substr(0, taken);
      bytes.remove_prefix(taken);
      if (partial_.size() == wanted_bytes(partial_)) {
        std::string message = std::exchange(partial_, {});
        handle(message);
      }
    }
  }
}

void Client::handle(std::string_view message) {
  char type = message[0];
  if (!is_held(type)) {
    skip_ = load_u32(message.data() + 1) - 4;
  } else if (type == 'E') {
    std::string text(message.substr(kHeaderBytes));
    std::ranges::replace(text, '\0', ' ');
    die_plain("ErrorResponse: " + text);
  } else if (type == 'R') {
    on_authentication(message.substr(kHeaderBytes));
  } else if (state_ == State::login) {
    state_ = State::ready;
    events_.logged_in(*this);
  } else {
    events_.replied(*this);
  }
}

void Client::on_authentication(std::string_view body) {
  switch (load_u32(body.data())) {
    case kAuthOk:
    case kAuthSaslFinal:
      scram_.reset();
      return;
    case kAuthSasl: {
      scram_.emplace(target_.password);
      std::string first = scram_->first();
      send(message('p', c_string("SCRAM-SHA-256") + u32(first.size()) + first));
      return;
    }
    case kAuthSaslContinue:
      send(message('p', scram_->final(body.substr(4))));
      return;
    default:
      die_plain("an authentication method that is not SCRAM or trust");
  }
}

void Client::send(std::string_view bytes) {
  out_ += bytes;
  flush();
}

void Client::flush() {
  while (!out_.empty()) {
    ssize_t count = 0;
    if (tls_ == nullptr) {
      count = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
    } else {
      count = SSL_write(tls_, out_.data(), static_cast<int>(out_.size()));
      ERR_clear_error();
    }
    if (count <= 0) break;  // an error shows at the next read
    out_.erase(0, static_cast<size_t>(count));
  }
  watch(!out_.empty());
}

void Client::watch(bool write) {
  if (write == write_watched_) return;
  write_watched_ = write;
  epoll_event event{.events = EPOLLIN, .data = {.ptr = this}};
  if (write) event.events |= EPOLLOUT;
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd_, &event) != 0) die("epoll_ctl");
}

void Client::finish() {
  state_ = State::finishing;
  send(message('X', ""));
}

void Client::close() {
  if (fd_ < 0) return;
  SSL_free(std::exchange(tls_, nullptr));
  ::close(std::exchange(fd_, -1));
  out_.clear();
  partial_.clear();
  skip_ = 0;
}

}  // namespace trunkline::bench
