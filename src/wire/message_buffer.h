#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "wire/frame.h"

namespace trunkline::wire {

// Collects bytes into whole messages, for the phases in which messages must be understood: login on
// both sides. The relay never uses it. Holds at most `message_bytes_max` and what one read brought
// behind it. One thread.
class MessageBuffer {
 public:
  MessageBuffer(const FrameRules& rules, size_t message_bytes_max)
      : rules_(rules), message_bytes_max_(message_bytes_max) {}

  ~MessageBuffer() { wipe(bytes_); }  // passwords come this way
  MessageBuffer(const MessageBuffer&) = delete;
  MessageBuffer& operator=(const MessageBuffer&) = delete;

  void append(std::string_view bytes);

  struct Next {
    enum class Kind : uint8_t { need_more, message, violation, too_large } kind = Kind::need_more;
    Violation violation = Violation::none;
    char type = 0;
    std::string_view body = {};     // valid until the buffer changes
    std::string_view message = {};  // header and body, to be forwarded as it is
  };
  // The next whole message; it stays in the buffer until `pop`.
  Next next() const;
  void pop();

  bool empty() const { return begin_ == bytes_.size(); }
  // What came behind the messages taken so far; empties the buffer.
  std::string take_rest();

 private:
  void grow(size_t bytes);

  const FrameRules& rules_;
  size_t message_bytes_max_;
  std::string bytes_;
  size_t begin_ = 0;
};

}  // namespace trunkline::wire
