#include "auth/scram.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "auth/saslprep.h"

namespace trunkline::auth {

void KeyDerivation::run() {
  Secret prepared = saslprep(password.reveal());
  Digest salted = pbkdf2_sha256(prepared.reveal(), salt, iterations);
  keys.client_key = hmac_sha256(salted.view(), "Client Key").to_secret();
  keys.server_key = hmac_sha256(salted.view(), "Server Key").to_secret();
}

std::optional<ScramVerifier> ScramVerifier::parse(std::string_view text) {
  constexpr std::string_view kPrefix = "SCRAM-SHA-256$";
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  size_t colon = text.find(':');
  size_t dollar = text.find('$');
  if (colon == std::string_view::npos || dollar == std::string_view::npos || dollar < colon)
    return std::nullopt;
  std::string_view keys = text.substr(dollar + 1);
  size_t middle = keys.find(':');
  if (middle == std::string_view::npos) return std::nullopt;

  std::optional<uint32_t> iterations = parse_scram_iterations(text.substr(0, colon));
  std::optional<std::string> salt = base64_decode(text.substr(colon + 1, dollar - colon - 1));
  Digest stored_key, server_key;
  if (!iterations || !salt || salt->empty() || salt->size() > kScramSaltBytesMax ||
      !base64_decode_exactly(keys.substr(0, middle), stored_key.span()) ||
      !base64_decode_exactly(keys.substr(middle + 1), server_key.span()))
    return std::nullopt;
  return ScramVerifier{*iterations, std::move(*salt), stored_key.to_secret(),
                       server_key.to_secret()};
}

ScramVerifier ScramVerifier::from_keys(std::string salt, uint32_t iterations,
                                       const ScramKeys& keys) {
  return {iterations, std::move(salt), sha256(keys.client_key.reveal()).to_secret(),
          keys.server_key.clone()};
}

Secret ScramVerifier::format() const {
  std::string text = "SCRAM-SHA-256$" + std::to_string(iterations) + ":" + base64_encode(salt) +
                     "$" + base64_encode(stored_key.reveal()) + ":" +
                     base64_encode(server_key.reveal());
  Secret secret(text);
  wipe(text);
  return secret;
}

std::string describe_byte(std::string_view at) {
  auto byte = static_cast<unsigned char>(at.empty() ? 0 : at[0]);
  if (byte >= 0x21 && byte <= 0x7E) return fmt::format("'{}'", at[0]);
  return fmt::format("0x{:02x}", byte);
}

std::expected<ScramAttributes::Attribute, std::string> ScramAttributes::next() {
  if (rest_.empty()) return std::unexpected("Attribute expected, but found end of string.");
  char name = rest_[0];
  if (!((name >= 'a' && name <= 'z') || (name >= 'A' && name <= 'Z')))
    return std::unexpected(fmt::format("Attribute expected, but found invalid character \"{}\".",
                                       describe_byte(rest_)));
  if (rest_.size() < 2 || rest_[1] != '=')
    return std::unexpected(fmt::format("Expected character \"=\" for attribute \"{}\".", name));
  size_t comma = std::min(rest_.find(','), rest_.size());
  Attribute attribute{name, rest_.substr(2, comma - 2)};
  rest_.remove_prefix(std::min(comma + 1, rest_.size()));
  return attribute;
}

std::expected<std::string_view, std::string> ScramAttributes::next(char name) {
  if (!rest_.starts_with(name))
    return std::unexpected(
        fmt::format("Expected attribute \"{}\" but found \"{}\".", name, describe_byte(rest_)));
  auto attribute = next();
  if (!attribute) return std::unexpected(std::move(attribute.error()));
  return attribute->value;
}

bool is_scram_nonce(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F && c != ','; });
}

std::optional<uint32_t> parse_scram_iterations(std::string_view text) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < 1 || value > kScramIterationsMax) return std::nullopt;
  return value;
}

}  // namespace trunkline::auth
