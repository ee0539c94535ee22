#include "sim/fake_client.h"

#include <fmt/format.h>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "sim/fake_server.h"
#include "wire/builders.h"
#include "wire/messages.h"
#include "wire/startup.h"

namespace trunkline::sim {

namespace from_server = wire::server_message;

namespace {

// Longer than anything in the proxy may take.
constexpr Duration kPatience = 150s;
constexpr Duration kVanishedFor = 5min;
constexpr Duration kStaysMax = 60s;
// A cancel may be lost on its way; then the client gives up.
constexpr Duration kCancelPatience = 100ms;
constexpr Duration kCancelInterval = 25ms;

}  // namespace

FakeClient::FakeClient(io::Loop& loop, std::string name, io::SocketAddress proxy, Script script,
                       const Circumstances& circumstances, uint64_t seed, Journal& journal)
    : loop_(loop),
      name_(std::move(name)),
      proxy_(proxy),
      script_(std::move(script)),
      circumstances_(circumstances),
      random_(seed),
      journal_(journal),
      model_(name_),
      reads_slowly_(random_.below(4) == 0) {}

void FakeClient::problem(const std::string& text) {
  journal_.problem(name_ + ": " + text);
}

io::Task<> FakeClient::run(Duration delay) {
  co_await loop_.sleep_until(loop_.now() + delay);
  auto socket = co_await io::connect(loop_, proxy_, loop_.now() + 10s);
  if (socket) {
    Peer peer(loop_, std::move(*socket));
    co_await serve(peer);
  } else if (circumstances_.lossless) {
    problem("could not connect");
  }
  journal_.history +=
      fmt::format("{} {} {};", name_, loop_.now().time_since_epoch().count(), model_.out.size());
  done_ = true;
}

io::Task<> FakeClient::serve(Peer& peer) {
  if (co_await log_in(peer) == Login::failed) {
    if (circumstances_.lossless) problem("could not log in");
    co_return;
  }
  ++journal_.sessions;
  co_await follow_script(peer);
  if (peer.ended) co_return check_end(peer);
  co_await leave(peer);
}

io::Task<FakeClient::Login> FakeClient::log_in(Peer& peer) {
  std::string startup;
  if (random_.below(3) == 0) wire::append_ssl_request(startup);
  peer.send(startup);
  Instant deadline = loop_.now() + kPatience;
  while (!startup.empty() && peer.received.empty() && !peer.ended && loop_.now() < deadline) {
    co_await peer.turn(deadline);
  }
  if (!startup.empty() && !peer.received.starts_with('N')) co_return Login::failed;
  peer.received.clear();
  startup.clear();
  constexpr uint32_t kVersions[] = {wire::kProtocol30, wire::kProtocol32, wire::kProtocolGrease};
  wire::append_startup(startup, kVersions[random_.below(3)],
                       {{"user", name_}, {"database", "sim"}, {"application_name", "simulation"}});
  peer.send(startup);
  ++journal_.messages_sent;
  while (!peer.ended && loop_.now() < deadline) {
    co_await peer.turn(deadline, next_read());
    messages_.append(std::exchange(peer.received, {}));
    for (auto next = messages_.next(); next.kind == wire::MessageBuffer::Next::Kind::message;
         next = messages_.next()) {
      bool is_ready = on_login_message(peer, next.type, next.body);
      messages_.pop();
      if (is_ready) co_return Login::succeeded;
    }
  }
  if (!peer.ended) problem("the proxy never answered the login");
  co_return Login::failed;
}

// True at ReadyForQuery.
bool FakeClient::on_login_message(Peer& peer, char type, std::string_view body) {
  switch (type) {
    case from_server::kAuthentication: {
      auto request = wire::parse_authentication(body);
      if (!request) {
        problem("malformed Authentication");
      } else if (request->code == wire::authentication::kCleartextPassword) {
        std::string password;
        wire::append_password(password, kPassword);
        peer.send(password);
        ++journal_.messages_sent;
      }
      return false;
    }
    case from_server::kParameterStatus: {
      auto status = wire::parse_parameter_status(body);
      if (status && status->name == "session" && status->value != name_) {
        problem("was given the session of " + std::string(status->value));
      }
      return false;
    }
    case from_server::kBackendKeyData:
      key_data_ = body;
      return false;
    case from_server::kErrorResponse:
      journal_.history += printable(wire::ErrorFields(body).message());
      return false;
    case from_server::kReadyForQuery:
      return true;
    default:
      return false;
  }
}

io::Task<> FakeClient::follow_script(Peer& peer) {
  for (const Step& step : script_.steps) {
    start_step(peer, step);
    if (step.cancels) co_await cancel_until_it_ends(peer);
    if (model_.runs()) co_return;
    if (step.waits || step.cancels) co_await exchange(peer, false);
    if (peer.ended || was_told_to_go_) co_return;
  }
}

// A cancel may come before the statement it is for, as with libpq; so it is sent again and again.
io::Task<> FakeClient::cancel_until_it_ends(Peer& peer) {
  journal_.may_be_cancelled.insert(name_);
  Instant give_up = loop_.now() + (circumstances_.lossless ? kPatience : kCancelPatience);
  Instant next_cancel = loop_.now() + Duration(random_.below(3'000'000));
  while (model_.runs() && !peer.ended && !was_told_to_go_ && loop_.now() < give_up) {
    if (loop_.now() >= next_cancel) {
      ++cancels_;
      loop_.spawn(cancel());
      next_cancel = loop_.now() + kCancelInterval;
    }
    co_await peer.turn(next_cancel, next_read());
    check(peer);
  }
  if (circumstances_.lossless && model_.runs() && !peer.ended) problem("cannot cancel");
}

void FakeClient::start_step(Peer& peer, const Step& step) {
  for (const Message& message : step.messages) {
    peer.send(encode(message));
    model_.on_message(message.type, message.body);
    ++journal_.messages_sent;
  }
}

// Until everything is answered, or the connection ends.
io::Task<> FakeClient::exchange(Peer& peer, bool to_the_end) {
  Instant deadline = loop_.now() + kPatience;
  while (!peer.ended && (to_the_end || !model_.out.empty() || peer.unsent() > 0)) {
    if (loop_.now() >= deadline) {
      problem(fmt::format("waits in vain for {}",
                          model_.out.empty() ? "the end" : printable(model_.out.front())));
      co_return;
    }
    if (reads_slowly_) co_await loop_.sleep_until(loop_.now() + Duration(random_.below(1'000'000)));
    size_t had = peer.received.size();
    co_await peer.turn(deadline, next_read());
    if (peer.received.size() > had) deadline = loop_.now() + kPatience;
    check(peer);
  }
}

size_t FakeClient::next_read() {
  return reads_slowly_ ? 1 + random_.below(2000) : 16 * 1024;
}

void FakeClient::check(Peer& peer) {
  messages_.append(std::exchange(peer.received, {}));
  for (auto next = messages_.next(); next.kind == wire::MessageBuffer::Next::Kind::message;
       next = messages_.next()) {
    check_message(next.type, next.body, next.message);
    messages_.pop();
  }
}

void FakeClient::check_message(char type, std::string_view body, std::string_view message) {
  if (was_told_to_go_) return problem("received more after FATAL");
  if (model_.out.empty() && model_.runs_endless() && type == from_server::kDataRow) model_.go_on();
  bool is_error = type == from_server::kErrorResponse;
  if (is_error && wire::ErrorFields(body).sqlstate() == sqlstate::kQueryCanceled) model_.cancel();
  if (model_.out.empty() || model_.out.front() != message) {
    if (is_error && wire::ErrorFields(body).severity() == wire::Severity::fatal) {
      return check_farewell_of_proxy(body);
    }
    return problem(fmt::format("expected {}, received {}",
                               model_.out.empty() ? "nothing" : printable(model_.out.front()),
                               printable(message)));
  }
  model_.out.pop_front();
  ++journal_.messages_received;
  journal_.errors_received += is_error ? 1 : 0;
  journal_.notices_received += type == from_server::kNoticeResponse ? 1 : 0;
  journal_.statements_completed += type == from_server::kCommandComplete ? 1 : 0;
  ready_ = type == from_server::kReadyForQuery && body == "I";
}

// A FATAL that is not the server's.
void FakeClient::check_farewell_of_proxy(std::string_view body) {
  was_told_to_go_ = true;
  std::string_view state = wire::ErrorFields(body).sqlstate();
  std::string text = fmt::format("{} {}", state, printable(wire::ErrorFields(body).message()));
  if (state == sqlstate::kProtocolViolation) {
    if (!sent_garbage_) problem("was blamed: " + text);
    if (!model_.out.empty()) problem("was blamed before everything was answered");
  } else if (state == sqlstate::kAdminShutdown) {
    if (!circumstances_.drains && !circumstances_.kills) problem("was ended: " + text);
    if (!circumstances_.kills && !ready_) problem("was drained inside a transaction");
  } else if (circumstances_.lossless) {
    problem("was ended: " + text);
  }
}

// After the last byte.
void FakeClient::check_end(const Peer& peer) {
  std::string rest = messages_.take_rest();
  if (model_.out.empty() && model_.runs_endless()) model_.go_on();
  std::string_view expected = model_.out.empty() ? std::string_view() : model_.out.front();
  if (!rest.empty() && !expected.starts_with(rest) && !rest.starts_with('E')) {
    problem(
        fmt::format("expected {}, the last bytes were {}", printable(expected), printable(rest)));
  }
  if (!circumstances_.lossless || model_.died()) return;
  if (!model_.out.empty()) problem("was never sent " + printable(expected));
  // What the proxy has not read when it closes resets the connection, and may take its words away.
  if (sent_garbage_ && !was_told_to_go_ && !model_.ended() && !peer.broken && !peer.sends_fail) {
    problem("was not told of its violation");
  }
}

io::Task<> FakeClient::leave(Peer& peer) {
  switch (script_.farewell) {
    case Farewell::terminate:
      peer.send(encode({wire::client_message::kTerminate, ""}));
      ++journal_.messages_sent;
      break;
    case Farewell::half_close:
      while (peer.unsent() > 0 && !peer.ended) {
        co_await peer.turn(loop_.now() + kPatience);
        check(peer);
      }
      peer.shutdown_write();
      break;
    case Farewell::close:
      co_return;
    case Farewell::vanish:
      co_return co_await loop_.sleep_until(loop_.now() + kVanishedFor);
    case Farewell::garbage:
      peer.send(encode({'y', "this is no message"}));
      sent_garbage_ = true;
      break;
    default: {
      Instant deadline = loop_.now() + kStaysMax;
      while (!peer.ended && loop_.now() < deadline) {
        co_await peer.turn(deadline, next_read());
        check(peer);
      }
      if (!peer.ended) co_return;
    }
  }
  // A statement whose cancel was lost runs on: who cares for its rows?
  if (model_.runs()) co_return;
  co_await exchange(peer, true);
  if (peer.ended) check_end(peer);
}

// A connection of its own, as libpq's.
io::Task<> FakeClient::cancel() {
  std::string request;
  auto key = wire::parse_backend_key_data(key_data_);
  if (key) {
    wire::append_cancel_request(request, key->process_id, key->key);
  } else {
    problem("has no key to cancel with");
  }
  auto socket = co_await io::connect(loop_, proxy_, loop_.now() + kPatience);
  if (socket) co_await send_cancel(std::move(*socket), std::move(request));
  --cancels_;
}

io::Task<> FakeClient::send_cancel(io::Socket socket, std::string request) {
  Peer peer(loop_, std::move(socket));
  peer.send(request);
  Instant deadline = loop_.now() + kPatience;
  while (!peer.ended && loop_.now() < deadline) co_await peer.turn(deadline);
  if (!peer.ended) problem("its cancel connection was never closed");
  if (!peer.received.empty()) problem("its cancel was answered with bytes");
}

}  // namespace trunkline::sim
