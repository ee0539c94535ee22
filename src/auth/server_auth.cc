#include "auth/server_auth.h"

#include <fmt/format.h>
#include <utility>

#include "auth/md5.h"
#include "auth/scram_server.h"
#include "base/bytes.h"
#include "base/text.h"

namespace trunkline::auth {

namespace {

Error failure(std::string message, std::string detail = {}, std::string hint = {}) {
  return {.reason = Reason::server_auth_failed,
          .side = Side::server,
          .sqlstate = sqlstate::kServerRejected,
          .message = std::move(message),
          .detail = std::move(detail),
          .hint = std::move(hint)};
}

Secret with_zero(std::string_view text) {
  std::string payload;
  payload.reserve(text.size() + 1);
  payload.append(text).push_back('\0');
  Secret secret(payload);
  wipe(payload);
  return secret;
}

std::string_view method_name(int32_t code) {
  switch (code) {
    case 2:
      return "Kerberos V5";
    case 7:
    case 8:
      return "GSSAPI";
    case 9:
      return "SSPI";
    default:
      return {};
  }
}

struct Mechanisms {
  bool scram = false;
  bool plus = false;
  std::string all;  // printable
};

// Strings up to an empty one; nullopt when the list is cut.
std::optional<Mechanisms> read_mechanisms(std::string_view payload) {
  Mechanisms found;
  ByteReader reader(payload);
  for (auto name = reader.read_c_string(); name; name = reader.read_c_string()) {
    if (name->empty()) return found;
    found.scram |= *name == kScramSha256;
    found.plus |= *name == kScramSha256Plus;
    if (!found.all.empty()) found.all += ", ";
    found.all += *name;
  }
  return std::nullopt;
}

}  // namespace

ServerAuth::ServerAuth(Credentials credentials, ServerChannel channel, KeyCache& cache)
    : credentials_(std::move(credentials)), channel_(std::move(channel)), cache_(cache) {}

ServerAuth::Step ServerAuth::no_credential(std::string_view method) const {
  return failure(fmt::format("the server asks for {}, and there is nothing to answer with for user "
                             "\"{}\"",
                             method, credentials_.user),
                 {},
                 "Give the route a \"login\" with a password, or give the user a plain password or "
                 "the server's own SCRAM verifier in \"users\".");
}

ServerAuth::Step ServerAuth::on_request(int32_t code, std::string_view payload) {
  bool fresh = state_ == State::fresh;
  switch (static_cast<AuthCode>(code)) {
    case AuthCode::ok:
      return on_ok();
    case AuthCode::cleartext_password:
      if (fresh) return on_cleartext_request();
      break;
    case AuthCode::md5_password:
      if (fresh) return on_md5_request(payload);
      break;
    case AuthCode::sasl:
      if (fresh) return on_sasl(payload);
      break;
    case AuthCode::sasl_continue:
      if (state_ == State::scram_first) return on_sasl_continue(payload);
      break;
    case AuthCode::sasl_final:
      if (state_ == State::scram_final) return on_sasl_final(payload);
      break;
    default:
      state_ = State::finished;
      if (std::string_view name = method_name(code); !name.empty())
        return failure(fmt::format("the server asks for {}, which the proxy does not speak", name));
      return failure(fmt::format("the server sent the unknown authentication request {}", code));
  }
  state_ = State::finished;
  return failure(fmt::format("the server sent authentication request {} out of order", code));
}

ServerAuth::Step ServerAuth::on_ok() {
  State before = std::exchange(state_, State::finished);
  bool complete = before == State::fresh || before == State::answered || before == State::proven;
  if (!complete)
    return failure("the server ended authentication without proving that it knows the password");
  bool bound = before == State::proven && scram_->mechanism() == kScramSha256Plus;
  if (channel_.channel_binding_required && !bound)
    return failure("channel binding is required, but the server let us in without it");
  return Done{};
}

ServerAuth::Step ServerAuth::on_cleartext_request() {
  state_ = State::finished;
  if (channel_.channel_binding_required)
    return failure("channel binding is required, but the server asks for a clear-text password");
  if (credentials_.password.empty()) return no_credential("a clear-text password");
  state_ = State::answered;
  return Send{with_zero(credentials_.password.reveal())};
}

ServerAuth::Step ServerAuth::on_md5_request(std::string_view salt) {
  state_ = State::finished;
  if (channel_.channel_binding_required)
    return failure("channel binding is required, but the server asks for an MD5 password");
  if (salt.size() != kMd5SaltBytes) return failure("the server sent a malformed MD5 request");
  Secret stored = credentials_.password.empty()
                      ? credentials_.md5.clone()
                      : md5_secret(credentials_.password.reveal(), credentials_.user);
  if (stored.empty()) return no_credential("an MD5 password");
  state_ = State::answered;
  return Send{with_zero(md5_answer(stored.reveal(), salt).reveal())};
}

ServerAuth::Step ServerAuth::on_sasl(std::string_view payload) {
  state_ = State::finished;
  std::optional<Mechanisms> offered = read_mechanisms(payload);
  if (!offered) return failure("the server sent a malformed list of SASL mechanisms");
  bool can_bind = !channel_.endpoint_hash.empty();
  bool plus = offered->plus && can_bind;
  if (channel_.channel_binding_required && !plus)
    return failure("channel binding is required, but it is not possible",
                   can_bind ? "The server does not offer SCRAM-SHA-256-PLUS."
                            : "The connection has no TLS, or the server's certificate is of a kind "
                              "without an end-point hash.");
  if (!plus && !offered->scram)
    return failure("the server offers no SASL mechanism that the proxy speaks",
                   fmt::format("It offers: {}.", printable(offered->all)));
  if (credentials_.password.empty() && !credentials_.scram) return no_credential("SCRAM-SHA-256");

  using Binding = ScramClient::Binding;
  scram_.emplace(plus       ? Binding::end_point
                 : can_bind ? Binding::not_offered
                            : Binding::unsupported,
                 channel_.endpoint_hash, scram_nonce());
  state_ = State::scram_first;
  std::string first = scram_->client_first();
  std::string body(scram_->mechanism());
  body.push_back('\0');
  append_big_endian(body, static_cast<int32_t>(first.size()));
  body.append(first);
  return Send{Secret(body)};
}

ServerAuth::Step ServerAuth::on_sasl_continue(std::string_view message) {
  state_ = State::finished;
  if (Result<> ok = scram_->on_server_first(message); !ok) return std::move(ok.error());
  if (!credentials_.password.empty()) {
    if (auto keys = cache_.find(credentials_.password, scram_->salt(), scram_->iterations()))
      return send_client_final(*keys);
    state_ = State::deriving;
    return Derive{{credentials_.password.clone(), scram_->salt(), scram_->iterations(), {}}};
  }
  const BoundScramKeys& bound = *credentials_.scram;
  if (bound.salt != scram_->salt() || bound.iterations != scram_->iterations())
    return failure(
        fmt::format("the server's SCRAM verifier of user \"{}\" is not the proxy's",
                    credentials_.user),
        "Keys learned from the client's login fit only a verifier with the same salt and "
        "iteration count.",
        "Copy rolpassword from the server's pg_authid into \"users\", or give the route a "
        "\"login\" with a password.");
  return send_client_final(bound.keys);
}

ServerAuth::Step ServerAuth::on_derived(KeyDerivation done) {
  if (std::exchange(state_, State::finished) != State::deriving)
    return failure("unexpected key derivation");
  derived_ = std::move(done.keys);
  return send_client_final(*derived_);
}

ServerAuth::Step ServerAuth::send_client_final(const ScramKeys& keys) {
  state_ = State::scram_final;
  return Send{scram_->client_final(keys)};
}

ServerAuth::Step ServerAuth::on_sasl_final(std::string_view message) {
  state_ = State::finished;
  if (Result<> ok = scram_->on_server_final(message); !ok) return std::move(ok.error());
  if (derived_)
    cache_.insert(credentials_.password, scram_->salt(), scram_->iterations(), *derived_);
  state_ = State::proven;
  return Wait{};
}

}  // namespace trunkline::auth
