#include "server/cancel.h"

#include <optional>
#include <string>
#include <utility>

#include "observe/log.h"
#include "session/peer_user.h"
#include "session/session.h"
#include "upstream/reach.h"

// A connection that brings a CancelRequest: it is answered with nothing but its close, which comes
// after the server has been told, so that whoever waits for it knows that the signal is out.
namespace trunkline::session {

namespace {

constexpr uint32_t kAnswered = 1U << 24;

}  // namespace

// Counts it, and logs what did not work: the session that it was for may be gone.
CancelOutcome Session::note_cancel(Environment& environment, uint32_t id, std::string_view server,
                                   const Result<>& sent) {
  CancelOutcome outcome = CancelOutcome::sent;
  if (!sent) {
    bool unseen = sent.error().retry == Retry::safe;
    outcome = unseen ? CancelOutcome::failed : CancelOutcome::unanswered;
    observe::log(observe::Level::warn, "cancel failed",
                 {{"session", id}, {"server", server}, {"message", sent.error().message}});
  }
  environment.metrics.server_cancels(outcome).add();
  return outcome;
}

// A coroutine of its own with its own copies: the session may end meanwhile.
void Session::send_cancel(const server::Connection& server,
                          std::move_only_function<void(CancelOutcome)> done) {
  auto run = [](Environment& environment, uint32_t id, server::Endpoint endpoint, bool encrypted,
                server::CancelKey key,
                std::move_only_function<void(CancelOutcome)> tell) -> io::Task<> {
    std::string address = endpoint.address.to_string();
    Instant deadline = environment.loop.now() + environment.snapshot->cancel_timeout;
    Result<> sent = co_await server::cancel(environment.loop, std::move(endpoint), encrypted,
                                            std::move(key), environment.handshakes, deadline);
    tell(note_cancel(environment, id, address, sent));
  };
  environment_.loop.spawn(run(environment_, id_, server.endpoint, server.stream.is_encrypted(),
                              server.cancel_key, std::move(done)));
}

io::Task<CancelOutcome> Session::cancel_target(CancelRegistry::Target target) {
  CancelOutcome outcome{};
  environment_.process.mail.cancel(target, [this, &outcome](CancelOutcome what) {
    environment_.loop.post([this, &outcome, what] {
      outcome = what;
      waiter_.raise(kAnswered);
    });
  });
  co_await waiter_.wait(kAnswered);
  co_return outcome;
}

io::Task<Error> Session::forward_cancel(CancelRequest request) {
  policy::Source source =
      peer_.is_ip() ? policy::Source(peer_.ip_address()) : policy::Source::user(peer_user(client_));
  CancelOutcome outcome;
  if (!environment_.process.cancel_rate.allow(source, environment_.loop.now())) {
    outcome = CancelOutcome::limited;
  } else if (auto target = environment_.process.cancels.find(request.process_id, request.key)) {
    outcome = co_await cancel_target(*target);
  } else if (listener_->tls_mode == config::ClientTlsMode::passthrough) {
    outcome = co_await pass_cancel_through(std::move(request));
  } else {
    outcome = CancelOutcome::unknown_key;
  }
  environment_.metrics.cancels(outcome).add();
  co_return Error{.reason = Reason::client_not_session,
                  .side = Side::client,
                  .message = "",
                  .detail = "cancel request"};
}

// The keys of passthrough sessions are the servers' own. In plain text there is no host name to go
// by: with one server the request is its; with more it could hit the wrong one, and is dropped.
io::Task<CancelOutcome> Session::pass_cancel_through(CancelRequest request) {
  upstream::UpstreamPtr only = login_->snapshot->upstreams->only();
  if (only == nullptr) co_return CancelOutcome::passthrough_dropped;
  Result<> sent = co_await upstream::cancel(
      only, {request.process_id, std::move(request.key)}, environment_.loop,
      environment_.handshakes, environment_.process.resolver,
      environment_.loop.now() + login_->snapshot->cancel_timeout);
  co_return note_cancel(environment_, id_, only->name(), sent);
}

}  // namespace trunkline::session
