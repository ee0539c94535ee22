#include "auth/client_auth.h"

#include <fmt/format.h>
#include <utility>

#include "auth/md5.h"
#include "base/bytes.h"
#include "base/random.h"

namespace trunkline::auth {

using config::AuthMethod;

namespace {

Error failure(std::string_view sqlstate, std::string message) {
  return {.reason = Reason::client_auth_failed,
          .side = Side::client,
          .sqlstate = sqlstate,
          .message = std::move(message)};
}

Error violation(std::string message) {
  return failure(sqlstate::kProtocolViolation, std::move(message));
}

// The string of a PasswordMessage, checked as PostgreSQL's recv_password_packet does.
Result<std::string_view> read_password(std::string_view payload) {
  if (payload.size() > ClientAuth::kPasswordPayloadBytesMax)
    return fail(violation("invalid message length"));
  if (payload.find('\0') != payload.size() - 1 || payload.empty())
    return fail(violation("invalid password packet size"));
  if (payload.size() == 1)
    return fail(failure(sqlstate::kInvalidPassword, "empty password returned by client"));
  return payload.substr(0, payload.size() - 1);
}

}  // namespace

ClientAuth::ClientAuth(Services services, const HbaVerdict& verdict, ClientIdentity identity)
    : services_(services), verdict_(verdict), identity_(std::move(identity)) {
  use(services.config.users.account(identity_.user));
}

ClientAuth::ClientAuth(Services services, const HbaVerdict& verdict, ClientIdentity identity,
                       Account account)
    : services_(services), verdict_(verdict), identity_(std::move(identity)) {
  use(std::move(account));
}

void ClientAuth::use(Account account) {
  account_ = std::move(account);
  if (!verdict_.asks_for_password()) return;
  if (const auto* verifier = stored<ScramVerifier>()) {
    scram_salt_ = verifier->salt;
    scram_iterations_ = verifier->iterations;
  } else {
    scram_salt_ = services_.mock.salt(identity_.user);
    scram_iterations_ = account_.traits.mock_iterations;
  }
}

ClientAuth::Step ClientAuth::finish(Step step) {
  state_ = State::finished;
  return step;
}

ClientAuth::Step ClientAuth::wrong_password() const {
  return failure(sqlstate::kInvalidPassword,
                 fmt::format("password authentication failed for user \"{}\"", identity_.user));
}

ClientAuth::Step ClientAuth::start() {
  switch (verdict_.method) {
    case AuthMethod::trust:
      return finish(succeed(AuthMethod::trust));
    case AuthMethod::password:
      state_ = State::password;
      return Send{AuthCode::cleartext_password, {}};
    case AuthMethod::md5:
      return start_md5();
    case AuthMethod::scram_sha_256:
      return start_scram();
    case AuthMethod::cert:
      return finish(succeed(AuthMethod::cert));
    case AuthMethod::peer:
      return finish(check_peer());
    case AuthMethod::reject:
      break;  // HbaRules::decide has refused it
  }
  return finish(failure(sqlstate::kInvalidAuthorization, "connection rejected"));
}

// A rule `md5` asks a user who has a verifier for SCRAM, as PostgreSQL does ("Password
// Authentication"); so nobody is asked for what most users of this store are.
ClientAuth::Step ClientAuth::start_md5() {
  bool has_none = account_.user == nullptr || stored<std::monostate>() != nullptr;
  bool scram = has_none ? !account_.traits.mostly_md5 : stored<ScramVerifier>() != nullptr;
  if (scram) return start_scram();
  state_ = State::md5;
  md5_salt_ = random_bytes(kMd5SaltBytes);
  return Send{AuthCode::md5_password, md5_salt_};
}

ClientAuth::Step ClientAuth::start_scram() {
  state_ = State::sasl_initial;
  scram_.emplace(scram_salt_, scram_iterations_, identity_.endpoint_hash, scram_nonce());
  return Send{AuthCode::sasl, scram_mechanisms(!identity_.endpoint_hash.empty())};
}

ClientAuth::Step ClientAuth::check_peer() {
  if (identity_.peer_name &&
      services_.config.maps.allows(verdict_.map, *identity_.peer_name, identity_.user))
    return succeed(AuthMethod::peer);
  return failure(sqlstate::kInvalidAuthorization,
                 fmt::format("Peer authentication failed for user \"{}\"", identity_.user));
}

ClientAuth::Step ClientAuth::on_message(std::string_view payload) {
  switch (std::exchange(state_, State::finished)) {
    case State::password:
      return on_password(payload);
    case State::md5:
      return on_md5(payload);
    case State::sasl_initial:
      return on_sasl_initial(payload);
    case State::sasl_first:
      return on_scram_first(payload);
    case State::sasl_final:
      return on_scram_final(payload);
    case State::fresh:
    case State::deriving_for_password:
    case State::deriving_for_scram:
    case State::asking_again:
    case State::finished:
      break;
  }
  return violation("unexpected password message");
}

// A password that is wrong by an old answer may be right by a new one. Whether there is such a user
// makes no difference.
ClientAuth::Step ClientAuth::refuse(State checked) {
  if (!account_.may_be_outdated) return wrong_password();
  state_ = State::asking_again;
  checked_ = checked;
  return AskAgain{};
}

ClientAuth::Step ClientAuth::on_account(Account fresh) {
  if (std::exchange(state_, State::finished) != State::asking_again)
    return violation("unexpected account");
  fresh.may_be_outdated = false;
  std::string salt = scram_salt_;
  uint32_t iterations = scram_iterations_;
  use(std::move(fresh));
  plain_keys_.reset();
  if (checked_ == State::password) return find_password_keys();
  if (checked_ == State::md5) return check_md5();
  // A proof is made with the salt that was shown.
  if (scram_salt_ != salt || scram_iterations_ != iterations) return wrong_password();
  return find_plain_keys();
}

Error ClientAuth::unexpected_message(char type) const {
  return violation(fmt::format("expected {} response, got message type {}",
                               scram_ ? "SASL" : "password", static_cast<unsigned char>(type)));
}

ClientAuth::Step ClientAuth::on_password(std::string_view payload) {
  Result<std::string_view> password = read_password(payload);
  if (!password) return std::move(password.error());
  password_ = Secret(*password);
  return find_password_keys();
}

// What a password is compared with may cost a key derivation. Where some users have verifiers,
// everybody's password costs one.
ClientAuth::Step ClientAuth::find_password_keys() {
  if (!account_.traits.holds_verifiers) return check_password({});
  if (auto keys = services_.cache.find(password_, scram_salt_, scram_iterations_))
    return check_password(*keys);
  state_ = State::deriving_for_password;
  return Derive{{password_.clone(), scram_salt_, scram_iterations_, {}}};
}

ClientAuth::Step ClientAuth::check_password(const ScramKeys& keys) {
  std::string_view password = password_.reveal();
  Digest sent = sha256(password);  // equal lengths compare in constant time
  Secret sent_md5 = md5_secret(password, identity_.user);
  Digest sent_key = sha256(keys.client_key.reveal());

  const auto* plain = stored<PlainPassword>();
  // Of nobody, for the same work.
  Digest expected = sha256(plain ? plain->text.reveal() : std::string_view(scram_salt_));
  bool right = equal_in_constant_time(sent.view(), expected.view()) & (plain != nullptr);
  if (const auto* md5 = stored<Md5Password>())
    right = equal_in_constant_time(sent_md5.reveal(), md5->stored.reveal());
  else if (const auto* verifier = stored<ScramVerifier>())
    right = equal_in_constant_time(sent_key.view(), verifier->stored_key.reveal());
  if (!right) return refuse(State::password);
  // Only what was right is worth keeping: strangers cannot push entries out.
  if (!keys.client_key.empty())
    services_.cache.insert(password_, scram_salt_, scram_iterations_, keys);
  return succeed(AuthMethod::password);
}

ClientAuth::Step ClientAuth::on_md5(std::string_view payload) {
  Result<std::string_view> answer = read_password(payload);
  if (!answer) return std::move(answer.error());
  md5_answer_ = Secret(*answer);
  return check_md5();
}

ClientAuth::Step ClientAuth::check_md5() {
  Secret secret;
  if (const auto* plain = stored<PlainPassword>())
    secret = md5_secret(plain->text.reveal(), identity_.user);
  else if (const auto* md5 = stored<Md5Password>())
    secret = md5->stored.clone();
  bool known = !secret.empty();
  if (!known) secret = md5_secret(scram_salt_, identity_.user);  // of nobody, for the same work
  Secret expected = md5_answer(secret.reveal(), md5_salt_);
  bool right = !expected.empty() && equal_in_constant_time(md5_answer_.reveal(), expected.reveal());
  return (right & known) ? succeed(AuthMethod::md5) : refuse(State::md5);
}

ClientAuth::Step ClientAuth::on_sasl_initial(std::string_view payload) {
  if (payload.size() > kSaslPayloadBytesMax) return wrong_password();  // PostgreSQL's answer
  ByteReader reader(payload);
  auto mechanism = reader.read_c_string();
  if (!mechanism) return violation("invalid string in message");
  auto size = reader.read<int32_t>();
  if (!size) return violation("insufficient data left in message");
  if (*size == -1) {
    if (!reader.at_end()) return violation("invalid message format");
    // The client left its first message out: an empty challenge asks for it.
    mechanism_ = *mechanism;
    state_ = State::sasl_first;
    return Send{AuthCode::sasl_continue, {}};
  }
  auto message = *size < 0 ? std::nullopt : reader.read_bytes(static_cast<size_t>(*size));
  if (!message) return violation("insufficient data left in message");
  if (!reader.at_end()) return violation("invalid message format");
  mechanism_ = *mechanism;
  return on_scram_first(*message);
}

ClientAuth::Step ClientAuth::on_scram_first(std::string_view message) {
  if (message.size() > kSaslPayloadBytesMax) return wrong_password();
  Result<std::string> answer = scram_->on_client_first(mechanism_, message);
  if (!answer) return std::move(answer.error());
  state_ = State::sasl_final;
  return Send{AuthCode::sasl_continue, std::move(*answer)};
}

ClientAuth::Step ClientAuth::on_scram_final(std::string_view message) {
  if (message.size() > kSaslPayloadBytesMax) return wrong_password();
  if (Result<> ok = scram_->on_client_final(message); !ok) return std::move(ok.error());
  return find_plain_keys();
}

// The proof has come. A plain password must become keys first, once; see MockSecrets for why a
// derivation may follow for any other name too.
ClientAuth::Step ClientAuth::find_plain_keys() {
  const auto* plain = stored<PlainPassword>();
  if (plain != nullptr) {
    plain_keys_ = services_.cache.find(plain->text, scram_salt_, scram_iterations_);
    if (plain_keys_) return check_proof();
  } else if (!account_.traits.holds_plain || !services_.mock.first_exchange(identity_.user)) {
    return check_proof();
  }
  state_ = State::deriving_for_scram;
  Secret password = plain ? plain->text.clone() : Secret(scram_salt_);
  return Derive{{std::move(password), scram_salt_, scram_iterations_, {}}};
}

ClientAuth::Step ClientAuth::on_derived(KeyDerivation done) {
  switch (std::exchange(state_, State::finished)) {
    case State::deriving_for_password:
      return check_password(done.keys);
    case State::deriving_for_scram:
      if (stored<PlainPassword>() != nullptr) {
        services_.cache.insert(done.password, scram_salt_, scram_iterations_, done.keys);
        plain_keys_ = std::move(done.keys);
      }
      return check_proof();
    default:
      return violation("unexpected key derivation");
  }
}

ClientAuth::Step ClientAuth::check_proof() {
  const auto* verifier = stored<ScramVerifier>();
  Secret stored_key(std::string(kSha256Bytes, '\0'));  // of nobody
  Secret server_key = stored_key.clone();
  if (verifier != nullptr) {
    stored_key = verifier->stored_key.clone();
    server_key = verifier->server_key.clone();
  } else if (plain_keys_) {
    stored_key = sha256(plain_keys_->client_key.reveal()).to_secret();
    server_key = plain_keys_->server_key.clone();
  }
  bool known = verifier != nullptr || plain_keys_.has_value();
  auto verified = scram_->verify(stored_key.reveal(), server_key.reveal(), known);
  if (!verified) return refuse(State::sasl_final);

  Step step = succeed(AuthMethod::scram_sha_256);
  if (auto* succeeded = std::get_if<Succeeded>(&step)) {
    succeeded->sasl_final = std::move(verified->server_final);
    succeeded->credentials.scram = BoundScramKeys{
        {std::move(verified->client_key), std::move(server_key)}, scram_salt_, scram_iterations_};
  }
  return step;
}

Credentials ClientAuth::stored_credentials() const {
  Credentials credentials{.user = identity_.user};
  if (const auto* plain = stored<PlainPassword>()) credentials.password = plain->text.clone();
  if (const auto* md5 = stored<Md5Password>()) credentials.md5 = md5->stored.clone();
  return credentials;
}

// Whatever the method was, a rule may ask that the certificate is the user's too
// (clientcert=verify-full; the method `cert` is that and nothing else).
ClientAuth::Step ClientAuth::succeed(AuthMethod method) {
  if (verdict_.certificate_names_user &&
      !(identity_.certificate_name &&
        services_.config.maps.allows(verdict_.map, *identity_.certificate_name, identity_.user)))
    return failure(verdict_.method == AuthMethod::cert || verdict_.method == AuthMethod::trust
                       ? sqlstate::kInvalidAuthorization
                       : sqlstate::kInvalidPassword,
                   fmt::format("{} authentication failed for user \"{}\"",
                               verdict_.method == AuthMethod::cert    ? "certificate"
                               : verdict_.method == AuthMethod::trust ? "\"trust\""
                                                                      : "password",
                               identity_.user));
  Succeeded succeeded{{}, method, stored_credentials()};
  if (!password_.empty()) succeeded.credentials.password = std::move(password_);
  return succeeded;
}

}  // namespace trunkline::auth
