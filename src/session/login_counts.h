#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "route/decision.h"
#include "upstream/upstream.h"
#include "wire/message_tally.h"

namespace trunkline::session {

// What a login has moved, kept until it is known whose counters it belongs to. A client that never
// gets that far is counted nowhere. Owned by the session during login, on its worker's thread.
struct LoginCounts {
  uint64_t client_messages = 0;  // the startup packet is one
  uint64_t bytes_from_client = 0;
  uint64_t bytes_to_client = 0;
  wire::MessageTally from_servers;                 // of all servers that were tried
  std::shared_ptr<const route::Route> route = {};  // null: not known yet
  upstream::UpstreamPtr upstream = {};

  void on_client_message(size_t bytes) {
    ++client_messages;
    bytes_from_client += bytes;
  }
};

}  // namespace trunkline::session
