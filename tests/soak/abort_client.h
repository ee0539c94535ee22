#pragma once

#include <array>
#include <cstdint>
#include <openssl/ssl.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/net.h"
#include "bench/scram.h"
#include "soak/plan.h"

namespace trunkline::soak {

// What all clients of a run share.
struct Target {
  bench::Address address;
  SSL_CTX* tls_context = nullptr;
  std::string user;        // let in by trust
  std::string scram_user;  // empty: nobody logs in with SCRAM
  std::string password;
  std::string database;
  std::string query;
  std::string bulk_query;  // answered by more than kResultBytesMax
};

// How a cycle ended.
struct Tally {
  using Counts = std::array<uint64_t, static_cast<size_t>(Stage::kCount)>;
  Counts planned{};  // left where it wanted to, by stage
  Counts early{};    // the other side had closed before
  Counts stuck{};    // nothing happened for kPatienceNs
  // Keys of sessions that were alive a moment ago, to cancel.
  std::vector<std::pair<uint32_t, uint32_t>> keys;
};

// One slot of the run: a client at a time, each after its own plan. Tells `Tally` how it went.
class AbortClient {
 public:
  AbortClient(const Target& target, Planner& planner, Tally& tally, int epoll)
      : target_(target), planner_(planner), tally_(tally), epoll_(epoll) {}
  ~AbortClient() { close(); }
  AbortClient(const AbortClient&) = delete;
  AbortClient& operator=(const AbortClient&) = delete;

  void begin();
  void on_event();
  void on_time(uint64_t now_ns);
  bool done() const { return fd_ < 0; }

 private:
  enum class State : uint8_t { connecting, ssl_request, handshake, open, closing };

  void on_connected();
  void start_tls();
  void handshake();
  void cut_client_hello();
  void start_session();
  void log_in();
  void pass(Stage stage, std::string bytes);
  void flush();
  void read();
  ssize_t receive(char* into, size_t bytes);
  void feed(std::string_view bytes);
  void handle(char type, std::string_view body);
  void on_authentication(std::string_view body);
  void on_ready();
  void on_closed();
  void leave(Tally::Counts& counts);
  void close();

  const Target& target_;
  Planner& planner_;
  Tally& tally_;
  const int epoll_;
  Plan plan_;
  State state_ = State::connecting;
  int fd_ = -1;
  SSL* tls_ = nullptr;
  uint64_t deadline_ns_ = 0;
  std::string out_;
  std::string in_;         // an incomplete message
  size_t skip_ = 0;        // bytes left of a body that nobody looks at
  uint64_t received_ = 0;  // of the result, or since the farewell
  bool leaving_ = false;   // when all is sent
  bool logged_in_ = false;
  std::optional<bench::ScramClient> scram_;
};

}  // namespace trunkline::soak
