#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wire/frame.h"

namespace trunkline::session {

// Reads a client's messages of which the beginning must be seen before anything of them goes on:
// the text of a Query or Parse, the names of a Bind, Describe, Execute or Close. What lies whole in
// the input is shown where it lies; what is cut off is gathered, within the bounds below. The rest
// of a long message comes in pieces. Owned by a machine; one thread.
//
//   next ─► front ─► take, or leave it for later
//     └───► body ──► take_body
class FrontReader {
 public:
  // More of a text is not looked at.
  static constexpr size_t kTextBytesMax = 256 * 1024;
  // PostgreSQL cuts names to 63 bytes; what has none within this is refused.
  static constexpr size_t kNamesBytesMax = 10'000;

  enum class Found : uint8_t { nothing, front, body, violation };

  struct Front {
    wire::Header header;
    std::string_view bytes;  // from the header on, as far as they are here

    std::string_view body() const { return bytes.substr(wire::kHeaderBytes); }
    bool is_whole() const { return bytes.size() == size_t{header.length} + 1; }
  };

  // Takes from the input only what it gathers.
  Found next(std::string_view& input);
  const Front& front() const { return front_; }
  // The front is dealt with. Its bytes stay where they are until another one is taken.
  void take(std::string_view& input);
  // As much of the message's body as the input has.
  std::string_view take_body(std::string_view& input);

  // Nothing of a next message has been seen.
  bool at_boundary() const { return body_left_ == 0 && gathered_.empty(); }
  // A message goes on of which a part has been taken.
  bool in_body() const { return body_left_ > 0; }
  wire::Violation violation() const { return violation_; }
  // Gives back memory; for sessions that rest, after all that was taken has been written.
  void trim();

 private:
  size_t needed(std::string_view begun);

  Front front_;
  uint32_t body_left_ = 0;
  wire::Violation violation_ = wire::Violation::none;
  std::string gathered_;
  std::string taken_;  // the last front that was gathered
};

}  // namespace trunkline::session
