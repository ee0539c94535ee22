// Must hold: a client that does not know the password is never let in, whatever it sends and
// whatever the method; every end is an error with a SQLSTATE of a login, in bounded text.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "auth/client_auth.h"

namespace {

using namespace trunkline;
using auth::ClientAuth;

void require(bool holds) {
  if (!holds) std::abort();
}

// One user of each kind that SCRAM serves.
auth::AuthConfig make_config() {
  config::Config config;
  auth::KeyDerivation work{Secret("a password nobody guesses"), "salt", 1, {}};
  work.run();
  auto verifier = auth::ScramVerifier::from_keys("salt", 1, work.keys).format();
  config.users.push_back({{}, "scram", std::move(verifier)});
  config.users.push_back({{}, "plain", Secret("another password nobody guesses")});
  return std::move(*auth::compile(config));
}

void require_sane(const Error& error) {
  require(error.sqlstate == sqlstate::kProtocolViolation ||
          error.sqlstate == sqlstate::kInvalidPassword ||
          error.sqlstate == sqlstate::kInvalidAuthorization ||
          error.sqlstate == sqlstate::kFeatureNotSupported);
  require(!error.message.empty() && error.message.size() < 200 && error.detail.size() < 200);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auth::AuthConfig config = make_config();
  static auth::MockSecrets mock(Secret("key"));
  static auth::KeyCache cache;
  constexpr config::AuthMethod kMethods[] = {config::AuthMethod::scram_sha_256,
                                             config::AuthMethod::md5, config::AuthMethod::password};
  constexpr const char* kUsers[] = {"scram", "plain", "nobody"};
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  ClientAuth login({config, mock, cache}, {.method = kMethods[data[0] % 3]},
                   {.user = kUsers[data[0] / 3 % 3],
                    .endpoint_hash = data[0] & 0x80 ? std::string(32, 'h') : std::string()});

  // Messages are separated by the byte 0x1e.
  ClientAuth::Step step = login.start();
  for (int messages = 0;; ++messages) {
    if (auto* error = std::get_if<Error>(&step)) {
      require_sane(*error);
      return 0;
    }
    if (auto* derive = std::get_if<ClientAuth::Derive>(&step)) {
      derive->work.run();
      step = login.on_derived(std::move(derive->work));
      continue;
    }
    require(std::holds_alternative<ClientAuth::Send>(step));
    require(messages < 4);
    size_t end = std::min(input.find('\x1e'), input.size());
    step = login.on_message(input.substr(0, end));
    input.remove_prefix(std::min(end + 1, input.size()));
  }
}
