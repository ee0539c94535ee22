#include <optional>
#include <utility>

#include "session/peer_user.h"
#include "session/session.h"
#include "upstream/reach.h"

// A connection that brings a CancelRequest: it is answered with nothing but its close, which comes
// after the server has been told, so that whoever waits for it knows that the signal is out.
namespace trunkline::session {

namespace {

constexpr uint32_t kAnswered = 1U << 24;

}  // namespace

io::Task<CancelOutcome> Session::cancel_target(CancelRegistry::Target target) {
  bool sent = false;
  environment_.process.mail.cancel(target, [this, &sent](bool reached) {
    environment_.loop.post([this, &sent, reached] {
      sent = reached;
      waiter_.raise(kAnswered);
    });
  });
  co_await waiter_.wait(kAnswered);
  co_return sent ? CancelOutcome::sent : CancelOutcome::failed;
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
  constexpr Duration kCancelMax = 10s;
  upstream::UpstreamPtr only = login_->snapshot->upstreams->only();
  if (only == nullptr) co_return CancelOutcome::passthrough_dropped;
  Result<> sent = co_await upstream::cancel(
      only, {request.process_id, std::move(request.key)}, environment_.loop,
      environment_.handshakes, environment_.process.resolver, environment_.loop.now() + kCancelMax);
  co_return sent ? CancelOutcome::sent : CancelOutcome::failed;
}

}  // namespace trunkline::session
