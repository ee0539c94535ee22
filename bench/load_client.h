#pragma once

#include <cstdint>
#include <openssl/ssl.h>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/net.h"
#include "bench/scram.h"

namespace trunkline::bench {

enum class Tls : uint8_t { off, starttls, direct };

// How every client of a run connects; outlives them.
struct Target {
  Address address;
  SSL_CTX* tls_context = nullptr;  // for starttls and direct
  Tls tls = Tls::off;
  bool rotate_source = false;
  std::string user;
  std::string database;
  std::string password;
};

class Client;
struct Script;
struct Step;

// Told by a client, from inside its on_event().
class ClientEvents {
 public:
  virtual void logged_in(Client& client) = 0;
  virtual void replied(Client& client) = 0;  // one ReadyForQuery after the login
  virtual void closed(Client& client) = 0;   // end of file after finish()

 protected:
  ~ClientEvents() = default;
};

// One PostgreSQL client on a non-blocking socket in a level-triggered epoll set. Any error ends the
// program: a run with errors is no measurement.
class Client {
 public:
  Client(const Target& target, ClientEvents& events, int epoll)
      : target_(target), events_(events), epoll_(epoll) {}
  ~Client();
  Client(const Client&) = delete;

  void connect();
  void on_event(uint32_t ready);
  void send(std::string_view bytes);
  void finish();  // Terminate, then wait for the end of file

  uint64_t bytes_received() const { return bytes_received_; }

  // For the owner's use.
  uint64_t started_ns = 0;
  int replies_due = 0;
  const Script* script = nullptr;
  const std::vector<Step>* steps = nullptr;  // that it is taking
  size_t step = 0;

 private:
  enum class State : uint8_t { connecting, ssl_request, handshake, login, ready, finishing };

  void on_connected();
  void start_tls();
  void handshake();
  void log_in();
  void read();
  ssize_t receive(char* into, size_t bytes);
  void feed(std::string_view bytes);
  void handle(std::string_view message);
  void on_authentication(std::string_view body);
  void flush();
  void watch(bool write);
  void close();

  const Target& target_;
  ClientEvents& events_;
  const int epoll_;
  int fd_ = -1;
  SSL* tls_ = nullptr;
  State state_ = State::connecting;
  bool write_watched_ = false;
  std::string out_;
  std::string partial_;  // the front of a message that has not come whole
  size_t skip_ = 0;      // bytes left of a body that nobody looks at
  std::optional<ScramClient> scram_;
  uint64_t bytes_received_ = 0;
};

SSL_CTX* new_tls_context();

}  // namespace trunkline::bench
