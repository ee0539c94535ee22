#include "wire/message_buffer.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace trunkline::wire {

// What was taken is forgotten before more comes, or a stream that never pauses between two messages
// would make the buffer grow for ever.
void MessageBuffer::append(std::string_view bytes) {
  if (begin_ > 0) {
    wipe(bytes_.data(), begin_);
    bytes_.erase(0, begin_);
    begin_ = 0;
  }
  if (bytes_.capacity() - bytes_.size() < bytes.size()) grow(bytes_.size() + bytes.size());
  bytes_.append(bytes);
}

// Growing by itself, the string would leave what it held in freed memory.
void MessageBuffer::grow(size_t bytes) {
  std::string larger;
  larger.reserve(std::max(bytes, 2 * bytes_.capacity()));
  larger.append(bytes_);
  wipe(bytes_);
  bytes_.swap(larger);
}

MessageBuffer::Next MessageBuffer::next() const {
  std::string_view rest = std::string_view(bytes_).substr(begin_);
  if (rest.empty()) return {};
  char type = rest[0];
  uint32_t length_max = rules_.length_max[static_cast<uint8_t>(type)];
  if (length_max == 0) {
    return {.kind = Next::Kind::violation, .violation = Violation::unknown_type, .type = type};
  }
  if (rest.size() < kHeaderBytes) return {};
  auto length = load_big_endian<uint32_t>(rest.data() + 1);
  if (length < kLengthBytes || length > length_max) {
    return {.kind = Next::Kind::violation, .violation = Violation::length, .type = type};
  }
  if (length > message_bytes_max_) return {.kind = Next::Kind::too_large, .type = type};
  size_t whole = size_t{1} + length;
  if (rest.size() < whole) return {};
  return {.kind = Next::Kind::message,
          .type = type,
          .body = rest.substr(kHeaderBytes, length - kLengthBytes),
          .message = rest.substr(0, whole)};
}

void MessageBuffer::pop() {
  Next first = next();
  assert(first.kind == Next::Kind::message);
  begin_ += first.message.size();
  if (begin_ == bytes_.size()) {
    wipe(bytes_);
    begin_ = 0;
  }
}

std::string MessageBuffer::take_rest() {
  std::string rest = bytes_.substr(begin_);
  wipe(bytes_);
  bytes_ = std::string();
  begin_ = 0;
  return rest;
}

}  // namespace trunkline::wire
