#include "auth/scram_client.h"

#include <fmt/format.h>

#include "base/text.h"

namespace trunkline::auth {

namespace {

std::unexpected<Error> server_failure(std::string message, std::string detail = {}) {
  return fail({.reason = Reason::server_auth_failed,
               .side = Side::server,
               .sqlstate = sqlstate::kServerRejected,
               .message = std::move(message),
               .detail = std::move(detail)});
}

std::unexpected<Error> malformed(std::string detail) {
  return server_failure("the server sent a malformed SCRAM message", std::move(detail));
}

}  // namespace

ScramClient::ScramClient(Binding binding, std::string endpoint_hash, std::string nonce)
    : binding_(binding),
      endpoint_hash_(std::move(endpoint_hash)),
      nonce_(std::move(nonce)),
      client_first_bare_("n=,r=" + nonce_) {}

std::string ScramClient::gs2_header() const {
  switch (binding_) {
    case Binding::unsupported:
      return "n,,";
    case Binding::not_offered:
      return "y,,";
    case Binding::end_point:
      break;
  }
  return fmt::format("p={},,", kEndPointBinding);
}

std::string ScramClient::client_first() const {
  return gs2_header() + client_first_bare_;
}

Result<> ScramClient::on_server_first(std::string_view message) {
  ScramAttributes attributes(message);
  auto nonce = attributes.next('r');
  if (!nonce) return malformed(nonce.error());
  if (nonce->size() > kServerNonceBytesMax) return malformed("The nonce is too long.");
  // A server that adds nothing could replay an exchange it has seen.
  if (!is_scram_nonce(*nonce) || !nonce->starts_with(nonce_) || nonce->size() == nonce_.size())
    return server_failure("the server sent an invalid SCRAM response", "Nonce does not match.");

  auto salt_text = attributes.next('s');
  if (!salt_text) return malformed(salt_text.error());
  std::optional<std::string> salt = base64_decode(*salt_text);
  if (!salt || salt->empty() || salt->size() > kScramSaltBytesMax)
    return malformed("The salt is empty, too long or not base64.");

  auto iterations_text = attributes.next('i');
  if (!iterations_text) return malformed(iterations_text.error());
  std::optional<uint32_t> iterations = parse_scram_iterations(*iterations_text);
  if (!iterations)
    return server_failure("the server asks for an unacceptable SCRAM iteration count",
                          fmt::format("It must be a number from 1 to {}.", kScramIterationsMax));
  if (!attributes.at_end() || message.ends_with(','))
    return malformed("Garbage found at the end of server-first-message.");

  nonce_ = *nonce;
  server_first_ = message;
  salt_ = std::move(*salt);
  iterations_ = *iterations;
  return {};
}

Secret ScramClient::client_final(const ScramKeys& keys) {
  std::string binding = gs2_header();
  if (binding_ == Binding::end_point) binding += endpoint_hash_;
  std::string without_proof = fmt::format("c={},r={}", base64_encode(binding), nonce_);
  std::string auth_message =
      fmt::format("{},{},{}", client_first_bare_, server_first_, without_proof);

  Digest stored_key = sha256(keys.client_key.reveal());
  Digest proof = hmac_sha256(stored_key.view(), auth_message);
  proof ^= keys.client_key.reveal();
  server_signature_ = hmac_sha256(keys.server_key.reveal(), auth_message);
  std::string encoded = base64_encode(proof.view());
  std::string message;
  message.reserve(without_proof.size() + 3 + encoded.size());
  message.append(without_proof).append(",p=").append(encoded);
  Secret secret(message);
  wipe(encoded);
  wipe(message);
  return secret;
}

Result<> ScramClient::on_server_final(std::string_view message) const {
  ScramAttributes attributes(message);
  if (message.starts_with("e=")) {
    auto error = attributes.next('e');
    return server_failure("the server ended the SCRAM exchange with an error",
                          printable(error ? *error : std::string_view()));
  }
  auto signature_text = attributes.next('v');
  if (!signature_text) return malformed(signature_text.error());
  Digest signature;
  if (!base64_decode_exactly(*signature_text, signature.span()))
    return malformed("Malformed server signature.");
  if (!attributes.at_end() || message.ends_with(','))
    return malformed("Garbage found at the end of server-final-message.");
  if (!equal_in_constant_time(signature.view(), server_signature_.view()))
    return server_failure("the server does not know the password",
                          "Its SCRAM signature is wrong: it may not be the server it claims.");
  return {};
}

}  // namespace trunkline::auth
