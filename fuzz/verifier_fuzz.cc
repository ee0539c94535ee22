// Must hold: what is read as a SCRAM verifier keeps to the bounds and is printed as it was read (up
// to leading zeros of the iteration count); a password can be prepared and stays within its growth.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "auth/md5.h"
#include "auth/saslprep.h"
#include "auth/scram.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trunkline::auth;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto verifier = ScramVerifier::parse(text)) {
    require(verifier->iterations >= 1 && verifier->iterations <= kScramIterationsMax);
    require(!verifier->salt.empty() && verifier->salt.size() <= kScramSaltBytesMax);
    trunkline::Secret printed = verifier->format();
    auto again = ScramVerifier::parse(printed.reveal());
    require(again && again->format().reveal() == printed.reveal());
    require(printed.reveal().size() <= text.size());
    require(printed.reveal().substr(printed.reveal().find(':')) == text.substr(text.find(':')));
    require(!is_md5_secret(text));
  }
  trunkline::Secret prepared = saslprep(text);
  require(prepared.empty() == text.empty());
  require(prepared.reveal().size() <= text.size() * 6 * 4);
  return 0;
}
