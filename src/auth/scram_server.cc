#include "auth/scram_server.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/random.h"

namespace trunkline::auth {

namespace {

std::unexpected<Error> violation(std::string message, std::string detail = {}) {
  return fail({.reason = Reason::client_auth_failed,
               .side = Side::client,
               .sqlstate = sqlstate::kProtocolViolation,
               .message = std::move(message),
               .detail = std::move(detail)});
}

std::unexpected<Error> malformed_message(std::string detail) {
  return violation("malformed SCRAM message", std::move(detail));
}

std::unexpected<Error> unsupported(std::string message) {
  return fail({.reason = Reason::client_auth_failed,
               .side = Side::client,
               .sqlstate = sqlstate::kFeatureNotSupported,
               .message = std::move(message)});
}

std::unexpected<Error> binding_error(std::string message, std::string detail = {}) {
  return fail({.reason = Reason::client_auth_failed,
               .side = Side::client,
               .sqlstate = sqlstate::kInvalidAuthorization,
               .message = std::move(message),
               .detail = std::move(detail)});
}

// A hostile name inside an error: short and in printable ASCII.
std::string sanitized(std::string_view text) {
  constexpr size_t kShownMax = 30;
  std::string shown(text.substr(0, kShownMax));
  std::ranges::replace_if(shown, [](char c) { return c < 0x21 || c > 0x7E; }, '?');
  return shown;
}

Result<> check_no_zero_byte(std::string_view message) {
  if (message.empty()) return malformed_message("The message is empty.");
  if (message.contains('\0'))
    return malformed_message("Message length does not match input length.");
  return {};
}

}  // namespace

std::string scram_mechanisms(bool plus) {
  std::string list;
  for (std::string_view name : {kScramSha256Plus, kScramSha256}) {
    if (name == kScramSha256Plus && !plus) continue;
    list.append(name).push_back('\0');
  }
  list.push_back('\0');
  return list;
}

std::string scram_nonce() {
  return base64_encode(random_bytes(kScramNonceBytes));
}

// The header says whether the client binds to the channel, and why not: `y` from a client that was
// offered PLUS means that somebody between took the offer away (RFC 5802, section 6).
Result<std::string_view> ScramServer::read_gs2_header(std::string_view message) {
  std::string_view rest = message;
  char flag = rest[0];
  if (flag == 'n' || flag == 'y') {
    if (plus_)
      return malformed_message(
          "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel "
          "binding data.");
    if (flag == 'y' && !endpoint_hash_.empty())
      return binding_error(
          "SCRAM channel binding negotiation error",
          "The client supports SCRAM channel binding but thinks the server does not.  However, "
          "this server does support channel binding.");
    rest.remove_prefix(1);
    if (!rest.starts_with(','))
      return malformed_message(
          fmt::format("Comma expected, but found character \"{}\".", describe_byte(rest)));
    rest.remove_prefix(1);
  } else if (flag == 'p') {
    if (!plus_)
      return malformed_message(
          "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message "
          "includes channel binding data.");
    ScramAttributes attributes(rest);
    auto type = attributes.next('p');
    if (!type) return malformed_message(type.error());
    if (*type != kEndPointBinding)
      return violation(
          fmt::format("unsupported SCRAM channel-binding type \"{}\"", sanitized(*type)));
    rest = attributes.rest();
  } else {
    return malformed_message(
        fmt::format("Unexpected channel-binding flag \"{}\".", describe_byte(message)));
  }

  if (rest.starts_with('a'))
    return unsupported("client uses authorization identity, but it is not supported");
  if (!rest.starts_with(','))
    return malformed_message(
        fmt::format("Unexpected attribute \"{}\" in client-first-message.", describe_byte(rest)));
  rest.remove_prefix(1);
  gs2_header_ = message.substr(0, message.size() - rest.size());
  return rest;
}

Result<std::string> ScramServer::on_client_first(std::string_view mechanism,
                                                 std::string_view message) {
  plus_ = mechanism == kScramSha256Plus && !endpoint_hash_.empty();
  if (!plus_ && mechanism != kScramSha256)
    return violation("client selected an invalid SASL authentication mechanism");
  if (auto ok = check_no_zero_byte(message); !ok) return std::unexpected(ok.error());

  Result<std::string_view> bare = read_gs2_header(message);
  if (!bare) return std::unexpected(bare.error());
  if (bare->starts_with('m')) return unsupported("client requires an unsupported SCRAM extension");

  ScramAttributes attributes(*bare);
  // PostgreSQL's clients send an empty name: the startup packet has said who logs in.
  if (auto user = attributes.next('n'); !user) return malformed_message(user.error());
  auto client_nonce = attributes.next('r');
  if (!client_nonce) return malformed_message(client_nonce.error());
  if (!client_nonce->empty() && !is_scram_nonce(*client_nonce))
    return violation("non-printable characters in SCRAM nonce");
  while (!attributes.at_end()) {  // optional extensions, to be ignored
    if (auto extension = attributes.next(); !extension) return malformed_message(extension.error());
  }

  nonce_.insert(0, *client_nonce);
  std::string server_first =
      fmt::format("r={},s={},i={}", nonce_, base64_encode(salt_), iterations_);
  auth_message_ = fmt::format("{},{}", *bare, server_first);
  return server_first;
}

std::string ScramServer::expected_binding() const {
  return base64_encode(plus_ ? gs2_header_ + endpoint_hash_ : gs2_header_);
}

Result<> ScramServer::on_client_final(std::string_view message) {
  if (auto ok = check_no_zero_byte(message); !ok) return ok;
  ScramAttributes attributes(message);
  auto binding = attributes.next('c');
  if (!binding) return malformed_message(binding.error());
  if (*binding != expected_binding()) {
    if (plus_) return binding_error("SCRAM channel binding check failed");
    return violation("unexpected SCRAM channel-binding attribute in client-final-message");
  }
  auto nonce = attributes.next('r');
  if (!nonce) return malformed_message(nonce.error());

  std::string_view without_proof, proof;
  for (bool found = false; !found;) {
    without_proof = message.substr(0, message.size() - attributes.rest().size() - 1);
    auto attribute = attributes.next();
    if (!attribute) return malformed_message(attribute.error());
    found = attribute->name == 'p';
    proof = attribute->value;
  }
  if (!base64_decode_exactly(proof, proof_.span()))
    return malformed_message("Malformed proof in client-final-message.");
  if (!attributes.at_end())
    return malformed_message("Garbage found at the end of client-final-message.");
  if (!equal_in_constant_time(*nonce, nonce_))
    return violation("invalid SCRAM response", "Nonce does not match.");

  auth_message_.append(",").append(without_proof);
  return {};
}

std::optional<ScramServer::Verified> ScramServer::verify(std::string_view stored_key,
                                                         std::string_view server_key,
                                                         bool known) const {
  Digest client_key = hmac_sha256(stored_key, auth_message_);
  client_key ^= proof_.view();
  Digest server_signature = hmac_sha256(server_key, auth_message_);
  bool proven = equal_in_constant_time(sha256(client_key.view()).view(), stored_key);
  if (!(proven & known)) return std::nullopt;
  return Verified{"v=" + base64_encode(server_signature.view()), client_key.to_secret()};
}

}  // namespace trunkline::auth
