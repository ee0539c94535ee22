#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

// What one client of the soak run is going to do. Nothing here is shared with the proxy.
namespace trunkline::soak {

enum class Tls : uint8_t { off, starttls, direct };
enum class Purpose : uint8_t { session, cancel, garbage };

// Where the client leaves: in the middle of what takes it past this stage, or right at it.
enum class Stage : uint8_t {
  connected,
  ssl_request,
  handshake,
  startup,
  authentication,
  logged_in,
  query,
  result,
  answered,  // after a whole answer, which for a cancel request is the close
  kCount
};
inline constexpr std::string_view kStageNames[] = {"connected", "ssl_request",    "handshake",
                                                   "startup",   "authentication", "logged_in",
                                                   "query",     "result",         "answered"};

enum class Farewell : uint8_t {
  fin,         // close()
  rst,         // close() with SO_LINGER 0
  half_close,  // shutdown, then read a while
  polite,      // Terminate and TLS close_notify first, where there is a stream for them
  kCount
};

struct Plan {
  Tls tls = Tls::off;
  Purpose purpose = Purpose::session;
  Stage stage = Stage::connected;
  Farewell farewell = Farewell::fin;
  bool scram = false;
  bool wrong_password = false;
  bool pipelined = false;
  uint32_t cut = 0;  // picks the byte to leave at
};

// Everything random in a run, from one seed.
class Planner {
 public:
  Planner(uint64_t seed, bool with_tls, bool with_scram)
      : random_(seed), with_tls_(with_tls), with_scram_(with_scram) {}

  Plan next();
  std::string noise();
  uint32_t number() { return static_cast<uint32_t>(random_() >> 32); }

 private:
  bool one_in(uint32_t n) { return number() % n == 0; }

  std::mt19937_64 random_;
  const bool with_tls_;
  const bool with_scram_;
};

}  // namespace trunkline::soak
