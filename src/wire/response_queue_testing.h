#pragma once

#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

#include "wire/response_queue.h"

namespace trunkline::wire {

inline constexpr uint32_t kAnn = 7;

// Plays both sides from short scripts. Client: one type byte a message, in order. Server: words;
// the first byte is the type, the rest is the body ("CSELECT 1", "ZI", "E").
struct Exchange {
  void client(std::string_view types, uint8_t flags = ResponseQueue::kForward) {
    for (char type : types) {
      auto request = request_of({.type = type, .length = kLengthBytes});
      if (request) queue.push(*request, kAnn, flags);
    }
  }

  void server(const std::vector<std::string>& messages) {
    for (const std::string& message : messages) {
      last = queue.on_message(message[0], std::string_view(message).substr(1));
      EXPECT_TRUE(last.expected) << message;
    }
  }

  ResponseQueue queue;
  ResponseQueue::Attribution last;
};

}  // namespace trunkline::wire
