#include "session/client_login.h"

#include <array>
#include <cerrno>
#include <utility>

#include "session/peer_user.h"
#include "tls/stream_io.h"
#include "wire/builders.h"

namespace trunkline::session {

namespace {

Error lost(ssize_t result) {
  Error error{.reason = Reason::client_closed,
              .side = Side::client,
              .sqlstate = sqlstate::kInvalidAuthorization};
  if (result == -ETIMEDOUT) {
    error.reason = Reason::login_timeout;
    error.message = "canceling authentication due to timeout";  // PostgreSQL's words for its
                                                                // authentication_timeout
    error.sqlstate = sqlstate::kQueryCanceled;
  } else if (result < 0) {
    error.reason = Reason::client_io_error;
  }
  return error;
}

auth::HbaFacts hba_facts(const ClientFacts& client) {
  auth::Channel channel = client.is_unix                 ? auth::Channel::local
                          : client.stream.is_encrypted() ? auth::Channel::tls
                                                         : auth::Channel::plain;
  auth::Replication replication = auth::Replication::none;
  if (client.startup.replication == wire::ReplicationMode::physical)
    replication = auth::Replication::physical;
  if (client.startup.replication == wire::ReplicationMode::database)
    replication = auth::Replication::logical;
  return {.channel = channel,
          .source = client.peer.is_ip() ? client.peer.ip_address() : IpAddress{},
          .user = client.startup.user,
          .database = client.startup.database,
          .replication = replication,
          .certificate_verified = client.stream.peer_certificate().has_value()};
}

// The operating system's user behind a unix socket, nullopt when it has no name. In doubt nobody
// gets in.
io::Task<Result<std::optional<std::string>>> peer_name(const tls::Stream& stream, PeerNames& names,
                                                       io::Loop& loop, Instant deadline) {
  std::optional<uid_t> user = peer_user(stream);
  if (!user) co_return std::nullopt;
  auto name = co_await names.get(loop, *user, deadline);
  if (name) co_return std::move(*name);
  if (name.error() == PeerNames::Failure::late) co_return fail(lost(-ETIMEDOUT));
  co_return fail({.reason = Reason::client_limit,
                  .side = Side::internal,
                  .sqlstate = sqlstate::kConfigurationLimit,
                  .message = "too many names of users are being looked up at once",
                  .hint = "The system does not answer: look at its directory service, or use "
                          "another method than \"peer\"."});
}

// The body of the next password message; it stays in the buffer.
io::Task<Result<std::string_view>> next_password_message(tls::Stream& stream,
                                                         wire::MessageBuffer& input,
                                                         const auth::ClientAuth& machine,
                                                         Instant deadline) {
  using Kind = wire::MessageBuffer::Next::Kind;
  for (;;) {
    wire::MessageBuffer::Next next = input.next();
    if (next.kind == Kind::message) co_return next.body;
    if (next.kind == Kind::violation && next.violation == wire::Violation::unknown_type) {
      Error error = machine.unexpected_message(next.type);
      error.reason = Reason::client_protocol_error;
      co_return fail(std::move(error));
    }
    if (next.kind != Kind::need_more) {
      // PostgreSQL closes without a word.
      co_return fail(
          {.reason = Reason::client_protocol_error, .side = Side::client, .message = ""});
    }
    std::array<char, 4096> chunk;
    ssize_t got = co_await tls::receive_some(stream, chunk, deadline);
    if (got <= 0) co_return fail(lost(got));
    input.append({chunk.data(), static_cast<size_t>(got)});
    wipe(chunk.data(), static_cast<size_t>(got));
  }
}

// Where the passwords of this route's users are, if not in `users`.
class Accounts {
 public:
  Accounts(const ClientFacts& client, const auth::HbaVerdict& verdict, const Snapshot& snapshot,
           Environment& environment, Instant deadline)
      : client_(client), snapshot_(snapshot), environment_(environment), deadline_(deadline) {
    const route::Decision& decision = client.decision;
    bool looks_up =
        decision.kind == route::Decision::Kind::forward && decision.route->auth_query != nullptr;
    if (!verdict.asks_for_password() || !looks_up ||
        snapshot.auth->users.find(client.startup.user) != nullptr)
      return;
    directory_ = environment.process.directories.get(decision.upstream, decision.route->auth_query);
    database_ = decision.database.value_or(client.startup.database);
  }

  io::Task<Result<auth::Account>> find() {
    if (!directory_) co_return snapshot_.auth->users.account(client_.startup.user);
    auto found = co_await directory_->find(environment_.lookup_context(), database_,
                                           client_.startup.user, deadline_);
    if (found) co_return std::move(*found);
    if (found.error() == lookup::Failure::timed_out) co_return fail(lost(-ETIMEDOUT));
    co_return fail({.reason = Reason::client_auth_failed,
                    .side = Side::internal,
                    .sqlstate = sqlstate::kCannotConnectNow,
                    .message = "cannot authenticate user \"" + client_.startup.user + "\" now",
                    .hint = "Its password could not be looked up; the log of the proxy says why."});
  }

  // Nobody, when it cannot be found out: the password was wrong by what is known.
  io::Task<auth::Account> find_again() {
    auto found = co_await directory_->find_again(environment_.lookup_context(), database_,
                                                 client_.startup.user, deadline_);
    co_return std::move(found).value_or(auth::Account());
  }

 private:
  const ClientFacts& client_;
  const Snapshot& snapshot_;
  Environment& environment_;
  const Instant deadline_;
  lookup::DirectoryPtr directory_;
  std::string database_;
};

}  // namespace

io::Task<Result<AuthenticatedClient>> authenticate(ClientFacts facts, wire::MessageBuffer& input,
                                                   const Snapshot& snapshot,
                                                   Environment& environment, LoginCounts& counts,
                                                   Instant deadline) {
  Result<const auth::HbaVerdict*> verdict = snapshot.auth->rules.decide(hba_facts(facts));
  if (!verdict) co_return fail(std::move(verdict.error()));

  auth::ClientIdentity identity{.user = facts.startup.user,
                                .endpoint_hash = facts.stream.end_point_hash().value_or("")};
  if (std::optional<tls::PeerCertificate> certificate = facts.stream.peer_certificate()) {
    identity.certificate_name = certificate->common_name;
  }
  if (facts.is_unix && (*verdict)->method == config::AuthMethod::peer) {
    auto name = co_await peer_name(facts.stream, environment.process.peer_names, environment.loop,
                                   deadline);
    if (!name) co_return fail(std::move(name.error()));
    identity.peer_name = std::move(*name);
  }
  Accounts accounts(facts, **verdict, snapshot, environment, deadline);
  Result<auth::Account> account = co_await accounts.find();
  if (!account) co_return fail(std::move(account.error()));
  auth::ClientAuth machine({.config = *snapshot.auth,
                            .mock = environment.process.mock_secrets,
                            .cache = environment.process.key_cache},
                           **verdict, std::move(identity), std::move(*account));
  auth::ClientAuth::Step step = machine.start();
  for (;;) {
    if (auto* error = std::get_if<Error>(&step)) co_return fail(std::move(*error));
    if (auto* done = std::get_if<auth::ClientAuth::Succeeded>(&step)) {
      co_return AuthenticatedClient{.method = done->method,
                                    .credentials = std::move(done->credentials),
                                    .sasl_final = std::move(done->sasl_final)};
    }
    if (auto* derive = std::get_if<auth::ClientAuth::Derive>(&step)) {
      auth::KeyDerivation done =
          co_await environment.loop.offload([work = std::move(derive->work)]() mutable {
            work.run();
            return std::move(work);
          });
      if (environment.loop.now() >= deadline) co_return fail(lost(-ETIMEDOUT));
      step = machine.on_derived(std::move(done));
      continue;
    }
    if (std::holds_alternative<auth::ClientAuth::AskAgain>(step)) {
      step = machine.on_account(co_await accounts.find_again());
      continue;
    }
    const auto& send = std::get<auth::ClientAuth::Send>(step);
    std::string request;
    wire::MessageBuilder(request, wire::server_message::kAuthentication)
        .int32(static_cast<uint32_t>(send.code))
        .bytes(send.payload);
    counts.bytes_to_client += request.size();
    if (int sent = co_await tls::send_all(facts.stream, std::move(request), deadline); sent < 0) {
      co_return fail(lost(sent));
    }
    Result<std::string_view> payload =
        co_await next_password_message(facts.stream, input, machine, deadline);
    if (!payload) co_return fail(std::move(payload.error()));
    counts.on_client_message(wire::kHeaderBytes + payload->size());
    step = machine.on_message(*payload);
    input.pop();
  }
}

}  // namespace trunkline::session
