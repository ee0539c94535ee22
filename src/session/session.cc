#include "session/session.h"

#include <utility>

#include "observe/log.h"
#include "session/serving.h"
#include "tls/stream_io.h"
#include "wire/builders.h"

namespace trunkline::session {

namespace {

// How long a client may take to read the error that ends its session.
constexpr Duration kGoodbyeMax = 1s;

}  // namespace

Session::Session(Environment& environment, uint32_t id, int fd, const io::SocketAddress& peer,
                 std::shared_ptr<const Listener> listener)
    : environment_(environment),
      id_(id),
      waiter_(environment.loop),
      client_(io::Socket(environment.loop, fd, listener->is_unix)),
      peer_(peer),
      listener_(std::move(listener)),
      hooks_(environment.snapshot->hooks),
      began_(environment.loop.now()),
      login_(std::make_unique<LoginState>(environment.snapshot)) {
  if (!listener_->is_unix) client_.socket().expect_data();  // see `io::set_defer_accept`
  environment_.metrics.clients(state_).add();
}

// Thousands of them rest: what is added here is added to each.
static_assert(sizeof(Session) <= 344);

Session::~Session() {
  environment_.metrics.clients(state_).sub();
  if (serving_) environment_.process.cancels.withdraw(serving_->own_key);
}

void Session::enter_state(ClientState state) {
  environment_.metrics.clients(state_).sub();
  state_ = state;
  environment_.metrics.clients(state_).add();
}

io::Task<std::unique_ptr<Error>> Session::begin() {
  Result<> ready = co_await log_in();
  if (ready) co_return nullptr;
  bool was_asked = end_asked_ && (ready.error().reason == Reason::client_closed ||
                                  ready.error().reason == Reason::client_not_session);
  if (!was_asked) co_return std::make_unique<Error>(std::move(ready.error()));
  // Without a startup packet there is nobody to tell: a client that asks for TLS would take an
  // error for part of its handshake, and a cancel request is answered with nothing but the close.
  if (user_.empty()) end_asked_->detail = std::exchange(end_asked_->message, "");
  co_return std::move(end_asked_);
}

// No coroutine of its own: for as long as most sessions rest, its frame would be there.
io::Task<std::unique_ptr<Error>> Session::run() {
  enter_state(ClientState::active);
  login_.reset();
  if (std::unique_ptr<Error> asked = std::move(end_asked_)) serving_->ask_to_end(*asked, true);
  return serving_->run();
}

io::Task<> Session::finish(std::unique_ptr<Error> end) {
  enter_state(ClientState::closing);
  co_await say_goodbye(*end);
  client_.close();
  record_close(*end);
}

void Session::ask_to_end(const Error& error, bool when_idle) {
  if (state_ == ClientState::active) {
    serving_->ask_to_end(error, when_idle);
    return;
  }
  // Whoever waits for the client reads the end of file. A login in progress is let through to its
  // end when time is not pressing: the relay then ends at once, between transactions.
  if (state_ == ClientState::closing || end_asked_) return;
  end_asked_ = std::make_unique<Error>(error);
  // Who has not even sent a startup packet has nothing to finish.
  if (!when_idle || user_.empty()) client_.socket().shutdown_read();
}

Instant Session::client_stalled_since() const {
  return state_ == ClientState::active ? serving_->client_stalled_since() : Instant::max();
}

Instant Session::server_stalled_since() const {
  return state_ == ClientState::active ? serving_->server_stalled_since() : Instant::max();
}

void Session::cancel(std::move_only_function<void(CancelOutcome)> done) {
  if (state_ != ClientState::active) return done(CancelOutcome::failed);
  serving_->cancel(std::move(done));
}

// What the client is told at the end, if it is there and understands.
std::string Session::last_words(const Error& error) {
  bool can_hear = client_.is_open() && error.reason != Reason::client_closed &&
                  error.reason != Reason::client_io_error &&
                  error.reason != Reason::client_unreachable &&
                  error.reason != Reason::client_terminate;
  if (serving_) can_hear = can_hear && serving_->client_can_hear();
  if (!can_hear) return {};
  std::string words;
  if (login_) words = std::move(login_->before_error);
  if (!server_response_.empty()) {
    words += server_response_;
  } else if (!error.message.empty()) {
    wire::append_fatal(words, error);
  }
  return words;
}

// Tells the client why, and closes the server's side.
io::Task<> Session::say_goodbye(const Error& error) {
  std::string words = last_words(error);
  if (serving_) serving_->leave_server();
  if (serving_) {
    serving_->cells()[RouteCells::kBytesToClients].add(words.size());
  } else if (login_ && login_->counts) {
    login_->counts->bytes_to_client += words.size();
  }
  count_login();
  if (words.empty()) co_return;
  Instant deadline = environment_.loop.now() + kGoodbyeMax;
  if (co_await tls::send_all(client_, std::move(words), deadline) != 0) co_return;
  // Closing with unread bytes, also those that come later, would reset the connection and take the
  // error away from the client.
  client_.socket().shutdown_write();
  co_await tls::discard_all(client_, deadline);
}

// Empty: none was found.
std::string_view Session::route_name() const {
  if (serving_) return serving_->use->route->name;
  return login_ && login_->route ? std::string_view(login_->route->name) : "";
}

void Session::record_close(const Error& error) {
  if (serving_) {
    policy::TransactionsEnded ended = serving_->stats.on_session_end(serving_->exchange_open());
    if (ended) serving_->on_transaction_end(ended);
  }
  if (hooks_->wants(policy::HookEvent::close)) {
    Duration age = environment_.loop.now() - began_;
    hooks_->close({.id = id_, .client = route_facts()},
                  {.reason = error.reason, .detail = error.message, .lifetime = age});
  }
  environment_.metrics.closes(error.reason).add();
  if (error.reason == Reason::client_not_session && !observe::log_enabled(observe::Level::debug))
    return;
  bool expected = error.reason == Reason::client_terminate ||
                  error.reason == Reason::client_closed ||
                  error.reason == Reason::client_not_session || error.reason == Reason::drain;
  observe::Level level = expected ? observe::Level::info : observe::Level::warn;
  if (!observe::log_enabled(level)) return;
  Duration lifetime = environment_.loop.now() - began_;
  observe::log(level, "session closed",
               {{"session", id_},
                {"client", peer_.to_string()},
                {"user", user_},
                {"database", database_},
                {"route", route_name()},
                {"reason", reason_name(error.reason)},
                {"message", error.message},
                {"detail", error.detail},
                {"duration_ms", to_us(lifetime) / 1000}});
}

}  // namespace trunkline::session
