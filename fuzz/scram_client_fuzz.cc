// Must hold: a server that does not know the password is never believed, never makes us derive a
// key with more than the bounds, and never gets a password it did not ask for in that form.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "auth/server_auth.h"

namespace {

using namespace trunkline;
using auth::ScramClient;
using auth::ServerAuth;

constexpr std::string_view kPassword = "a password nobody guesses";

void require(bool holds) {
  if (!holds) std::abort();
}

auth::ScramKeys keys() {
  return {Secret(std::string(auth::kSha256Bytes, 'c')),
          Secret(std::string(auth::kSha256Bytes, 's'))};
}

std::string_view take_message(std::string_view& input) {
  size_t end = std::min(input.find('\x1e'), input.size());
  std::string_view message = input.substr(0, end);
  input.remove_prefix(std::min(end + 1, input.size()));
  return message;
}

// With a nonce the fuzzer knows, so that it gets past the first message.
void run_exchange(std::string_view input) {
  ScramClient client(ScramClient::Binding::unsupported, "", "nonce");
  if (!client.on_server_first(take_message(input))) return;
  require(client.iterations() >= 1 && client.iterations() <= auth::kScramIterationsMax);
  require(!client.salt().empty() && client.salt().size() <= auth::kScramSaltBytesMax);
  require(client.client_final(keys()).reveal().size() <= ScramClient::kServerNonceBytesMax + 100);
  require(!client.on_server_final(take_message(input)));
}

// Whole requests: a byte for the code, then the payload.
void run_login(std::string_view input) {
  static auth::KeyCache cache;
  ServerAuth login({.user = "bob", .password = Secret(kPassword)}, {}, cache);
  for (int requests = 0; requests < 8; ++requests) {
    std::string_view message = take_message(input);
    int32_t code = message.empty() ? 0 : message[0];
    ServerAuth::Step step = login.on_request(code, message.substr(message.empty() ? 0 : 1));
    if (auto* send = std::get_if<ServerAuth::Send>(&step))
      require(code == 3 || !send->payload.reveal().contains(kPassword));
    require(!std::holds_alternative<ServerAuth::Wait>(step));
    if (auto* error = std::get_if<Error>(&step)) require(!error->message.contains(kPassword));
    if (!std::holds_alternative<ServerAuth::Send>(step)) return;
  }
  require(false);  // a server asks a bounded number of times
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  data[0] & 1 ? run_exchange(input) : run_login(input);
  return 0;
}
