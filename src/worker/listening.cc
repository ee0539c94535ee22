#include "worker/listening.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "io/timer.h"
#include "observe/log.h"
#include "tls/stream.h"
#include "upstream/reach.h"
#include "upstream/server_count.h"
#include "wire/builders.h"
#include "wire/message_buffer.h"
#include "wire/messages.h"
#include "wire/protocol.h"

namespace trunkline::worker {

namespace {

namespace type = wire::server_message;
using pool::Channels;

// How long a server may take to answer: sessions wait for it.
constexpr Duration kAnswerMax = 10s;
// How long a connection is kept that nobody needs.
constexpr Duration kLinger = 30s;
// Between two logins that failed.
constexpr Duration kPause = 1s;
// Of messages, in one turn.
constexpr size_t kTurnBytes = 256 * 1024;

// It waits for ever, and asks in transactions of no time. Older servers lack some of these
// settings.
constexpr std::string_view kSettings =
    "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN"
    " ('idle_session_timeout', 'idle_in_transaction_session_timeout', 'lock_timeout',"
    " 'statement_timeout', 'transaction_timeout')";

// One connection, from its login to its end.
class ListeningConnection {
 public:
  ListeningConnection(session::Environment& environment, pool::Listener& listener,
                      server::LoggedIn server, upstream::ServerCount count)
      : environment_(environment),
        listener_(listener),
        server_(std::move(server.connection)),
        address_(server_.endpoint.address.to_string()),
        messages_(wire::kServerRules, environment.snapshot->max_message_bytes),
        waiter_(environment.loop),
        deadline_(waiter_, kElapsed),
        count_(std::move(count)) {
    messages_.append(server.early);
    server_.stream.socket().bind(waiter_, 0);
    listener_.set_wake([this] { waiter_.raise(kMail); });
    wire::append_query(request_, kSettings);
    deadline_.start(environment_.loop.now() + kAnswerMax);
    count_.enter(upstream::ServerState::idle);
  }
  ListeningConnection(const ListeningConnection&) = delete;
  ListeningConnection& operator=(const ListeningConnection&) = delete;
  ~ListeningConnection() {
    listener_.set_wake(nullptr);
    server_.stream.socket().unbind();
    server::close(server_, request_.empty());
  }

  // To its end; empty when nobody needs it any more, else what happened. `on_hearing` is called
  // once: when the first channels are heard.
  io::Task<std::string> run(std::move_only_function<void()> on_hearing);

 private:
  static constexpr uint32_t kMail = 1U << 16;
  static constexpr uint32_t kElapsed = 1U << 17;

  void ask();
  void write();
  bool read();
  void on_message(char message, std::string_view body);
  void on_elapsed();

  session::Environment& environment_;
  pool::Listener& listener_;
  server::Connection server_;
  const std::string address_;
  wire::MessageBuffer messages_;
  io::Waiter waiter_;
  io::Timer deadline_;
  upstream::ServerCount count_;
  std::string request_;  // what of it is not sent yet
  bool is_set_ = false;  // `kSettings` is answered
  bool refused_ = false;
  std::move_only_function<void()> on_hearing_;
  std::optional<std::string> end_;
};

io::Task<std::string> ListeningConnection::run(std::move_only_function<void()> on_hearing) {
  on_hearing_ = std::move(on_hearing);
  for (;;) {
    ask();
    write();
    bool more = read();
    if (end_) co_return std::move(*end_);
    if (more) {
      co_await waiter_.step_aside();
      continue;
    }
    Channels& channels = listener_.channels();
    bool unneeded = is_set_ && channels.idle() && !channels.busy();
    if (unneeded && !deadline_.running()) deadline_.start(environment_.loop.now() + kLinger);
    bool blocked = !request_.empty() || server_.stream.has_unsent();
    uint32_t wanted = uint32_t{io::kReadable} | kMail | kElapsed;
    if (blocked) wanted |= uint32_t{io::kWritable};
    uint32_t woken = co_await waiter_.wait(wanted);
    waiter_.clear(woken & (kMail | kElapsed));
    if ((woken & kElapsed) != 0) on_elapsed();
  }
}

void ListeningConnection::on_elapsed() {
  Channels& channels = listener_.channels();
  deadline_.stop();
  if (!is_set_ || channels.busy()) {
    end_ = "timeout expired while waiting for an answer";
  } else if (channels.idle()) {
    end_ = "";
  }
}

void ListeningConnection::ask() {
  if (!is_set_ || !request_.empty()) return;
  std::optional<std::string> sql = listener_.channels().next_request();
  if (!sql) return;
  wire::append_query(request_, *sql);
  deadline_.start(environment_.loop.now() + kAnswerMax);
}

void ListeningConnection::write() {
  if (server_.stream.has_unsent()) server_.stream.flush();
  while (!request_.empty()) {
    iovec part{request_.data(), request_.size()};
    ssize_t sent = server_.stream.send({&part, 1});
    if (sent == -EAGAIN) return;
    // A server that has closed may have said why: that is read.
    if (sent < 0) return request_.clear();
    request_.erase(0, static_cast<size_t>(sent));
  }
}

// True when there may be more.
bool ListeningConnection::read() {
  size_t budget = kTurnBytes;
  for (;;) {
    for (;;) {
      wire::MessageBuffer::Next next = messages_.next();
      using Kind = wire::MessageBuffer::Next::Kind;
      if (next.kind == Kind::need_more) break;
      if (next.kind != Kind::message) {
        end_ = "server broke the protocol";
        return false;
      }
      on_message(next.type, next.body);
      messages_.pop();
      if (end_) return false;
    }
    if (budget == 0) return true;
    if (!server_.stream.readable()) return false;
    std::array<char, 16 * 1024> bytes;
    ssize_t got = server_.stream.recv(bytes);
    if (got == -EAGAIN) return false;
    if (got <= 0) {
      end_ = got == 0 ? "server closed the connection unexpectedly"
                      : std::strerror(static_cast<int>(-got));
      return false;
    }
    messages_.append({bytes.data(), static_cast<size_t>(got)});
    budget -= std::min(budget, static_cast<size_t>(got));
  }
}

void ListeningConnection::on_message(char message, std::string_view body) {
  switch (message) {
    case type::kNotificationResponse:
      if (auto from = pool::parse_notification(body)) {
        uint32_t sender =
            environment_.process.pools.senders().client_of(address_, from->process_id);
        listener_.deliver(pool::make_notification(*from, sender));
      }
      break;
    case type::kErrorResponse: {
      wire::ErrorFields fields(body);
      if (fields.severity() != wire::Severity::error) {
        end_ = std::string(fields.message());
        break;
      }
      observe::log(observe::Level::warn, "listening was refused",
                   {{"server", address_}, {"message", fields.message()}});
      refused_ = true;
      break;
    }
    case type::kReadyForQuery:
      deadline_.stop();
      if (!is_set_) {
        is_set_ = true;
      } else if (!refused_) {
        listener_.tell(listener_.channels().on_done());
        if (on_hearing_) std::exchange(on_hearing_, nullptr)();
      } else {
        listener_.tell(listener_.channels().on_failed());
        // What others have listened to before was in the same request.
        end_ = "the server has refused to listen";
      }
      refused_ = false;
      ask();
      break;
    default:
      break;
  }
}

io::Task<std::expected<server::LoggedIn, server::Refusal>> log_in(session::Environment& environment,
                                                                  pool::Destination& destination,
                                                                  std::string encoding) {
  server::LoginContext context = environment.login_context();
  server::LoginRequest request{.credentials = destination.credentials(),
                               .parameters = {{"database", destination.database()},
                                              {"application_name", "trunkline listener"}}};
  if (!encoding.empty()) request.parameters.emplace_back("client_encoding", std::move(encoding));
  co_return co_await upstream::log_in(destination.upstream(), context, request,
                                      environment.process.resolver,
                                      environment.loop.now() + environment.snapshot->login_timeout);
}

void log_loss(const pool::Destination& destination, std::string_view event,
              std::string_view message, size_t channels) {
  observe::log(observe::Level::warn, event,
               {{"upstream", destination.upstream()->name()},
                {"database", destination.database()},
                {"channels", channels},
                {"message", message}});
}

// While nobody keeps a connection for it, `Desk::listen` may begin again.
struct Kept {
  explicit Kept(pool::Listener& of) : listener(of) {
    listener.set_wake([] {});
  }
  ~Kept() {
    listener.set_wake(nullptr);
    listener.set_unreachable(false);
  }
  pool::Listener& listener;
};

}  // namespace

io::Task<> keep_listening(session::Environment& environment, pool::PoolPtr pool,
                          pool::ListenerPtr listener) {
  pool::Destination& destination = pool->destination();
  Kept kept(*listener);
  Channels& channels = listener->channels();
  std::optional<Instant> lost_at;  // and somebody listened then
  bool lost_soon = false;          // after its login, the last time
  while (!channels.idle()) {
    upstream::ServerCount counted = environment.count_server(destination.upstream()->name());
    auto server = co_await log_in(environment, destination, listener->encoding());
    if (!server) {
      log_loss(destination, "server login of a listener failed", server.error().error.message,
               channels.size());
      listener->set_unreachable(true);
      listener->tell(channels.on_unreachable());
      co_await environment.loop.sleep_until(environment.loop.now() + kPause);
      continue;
    }
    listener->set_unreachable(false);
    Instant began = environment.loop.now();
    auto tell_gap = [&] {
      if (!lost_at) return;
      Duration gap = environment.loop.now() - *std::exchange(lost_at, std::nullopt);
      observe::log(observe::Level::warn,
                   "listening again: what was notified in between has reached no client",
                   {{"upstream", destination.upstream()->name()},
                    {"database", destination.database()},
                    {"channels", channels.size()},
                    {"gap_ms", gap}});
    };
    std::string end;
    {
      ListeningConnection connection(environment, *listener, std::move(*server),
                                     std::move(counted));
      end = co_await connection.run(tell_gap);
    }
    listener->set_wake([] {});
    if (end.empty()) break;
    listener->tell(channels.on_lost());
    if (channels.size() == 0) continue;
    if (!lost_at) lost_at = environment.loop.now();
    log_loss(destination, "a listening connection is lost", end, channels.size());
    // Once may be an administrator's doing; a server that does so again is left alone for a while.
    bool soon = environment.loop.now() - began < kPause;
    if (std::exchange(lost_soon, soon) && soon) {
      listener->set_unreachable(true);
      co_await environment.loop.sleep_until(began + kPause);
    }
  }
}

}  // namespace trunkline::worker
