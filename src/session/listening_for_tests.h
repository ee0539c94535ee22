#pragma once

#include <string>
#include <utility>

#include "session/notifications.h"
#include "session/pooled_for_tests.h"

namespace trunkline::session {

// A listener that keeps note of what it is asked; the test answers.
class FakeListening final : public Listening {
 public:
  void open(std::string encoding) override { asked += "open " + encoding + "; "; }
  void listen(const std::string& channel, Ticket ticket) override {
    asked += "listen " + channel + " " + std::to_string(ticket) + "; ";
    last = ticket;
  }
  void unlisten(const std::string& channel) override { asked += "unlisten " + channel + "; "; }
  void fence(Ticket ticket) override {
    asked += "fence " + std::to_string(ticket) + "; ";
    last = ticket;
  }
  void taken(size_t bytes) override { bytes_taken += bytes; }

  // What it was asked since.
  std::string heard() { return std::exchange(asked, {}); }

  std::string asked;
  Ticket last = 0;
  size_t bytes_taken = 0;
};

inline pool::NotificationPtr notification(std::string_view channel, std::string_view payload = "",
                                          uint32_t process_id = 7) {
  return pool::make_notification({process_id, channel, payload}, process_id);
}

// A session of a pool that may listen, on a connection to the process 7.
class PooledListeningTest : public PooledTest {
 protected:
  static constexpr uint32_t kProcess = 4711;

  void SetUp() override {
    connection->sender = senders.enter("server", 7);
    connection->server.cancel_key.process_id = 7;
    play.use(*connection);
  }

  pool::Senders senders;
  FakeListening listening;
  uint32_t process_id = kProcess;
  PooledPlay play{3, nullptr, false, &listening, &process_id};
};

}  // namespace trunkline::session
