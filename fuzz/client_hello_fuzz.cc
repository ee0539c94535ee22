#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tls/client_hello.h"
#include "tls/host_name.h"

// Whatever the bytes are, the answer is the same fed whole and byte by byte, a name that comes out
// is a normalized host name, and what is too large is found before more than the bound is taken.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using trunkline::tls::ClientHelloParser;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);

  ClientHelloParser whole;
  ClientHelloParser::Status status = whole.feed(bytes);

  ClientHelloParser pieces;
  size_t taken = 0;
  while (taken < size &&
         pieces.feed(bytes.substr(taken, 1)) == ClientHelloParser::Status::need_more) {
    ++taken;
  }
  if (pieces.feed({}) != status) std::abort();
  if (taken > trunkline::tls::kClientHelloBytesMax + 5) std::abort();

  if (status == ClientHelloParser::Status::done) {
    const auto& hello = whole.hello();
    if (hello.sni != pieces.hello().sni || hello.alpn != pieces.hello().alpn) std::abort();
    if (!hello.sni.empty() && trunkline::tls::normalize_host_name(hello.sni) != hello.sni) {
      std::abort();
    }
  }
  return 0;
}
