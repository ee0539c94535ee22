#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "wire/protocol.h"

namespace trunkline::wire {

struct Header {
  char type = 0;
  uint32_t length = 0;  // as on the wire: with its own four bytes, without the type byte

  uint32_t body_bytes() const { return length - kLengthBytes; }
};

// Of the first `kHeaderBytes` of a message.
inline Header parse_header(std::string_view bytes) {
  return {bytes[0], load_big_endian<uint32_t>(bytes.data() + 1)};
}

enum class Violation : uint8_t { none, unknown_type, length };

// More cannot be held across reads: enough for a CommandComplete tag and the severity and SQLSTATE
// of an ErrorResponse.
inline constexpr uint8_t kHoldBytesMax = 64;

// What one direction may carry, by type byte.
struct FrameRules {
  std::array<uint32_t, 256> length_max{};  // 0: the type does not exist
  std::array<uint8_t, 256> hold{};         // body bytes that are handed over in one piece

  Violation violation_of(Header header) const {
    uint32_t max = length_max[static_cast<uint8_t>(header.type)];
    if (max == 0) return Violation::unknown_type;
    return header.length - kLengthBytes <= max - kLengthBytes ? Violation::none : Violation::length;
  }

  constexpr void allow(std::string_view types, uint32_t max) {
    for (char type : types) length_max[static_cast<uint8_t>(type)] = max;
  }
  constexpr void hold_bytes(char type, uint8_t bytes) {
    hold[static_cast<uint8_t>(type)] = std::min(bytes, kHoldBytesMax);
  }
};

// A client after login; a client that is asked for its password (only 'p' exists then); a server.
extern const FrameRules kClientRules;
extern const FrameRules kClientLoginRules;
extern const FrameRules kServerRules;

// What to tell and to log about a violation, in PostgreSQL's words.
Error violation_error(Direction direction, Violation violation, char type);
// PostgreSQL answers a wrong length with closing the connection only: the stream has no next
// message.
inline bool is_silent(Violation violation) {
  return violation == Violation::length;
}

// What `FrameScanner::next` found at the beginning of its input.
struct Piece {
  enum class Kind : uint8_t {
    need_more,  // the whole input was taken in and nothing can be decided yet
    message,    // a message begins; its header and prefix are complete
    body,       // more of the message that began in an earlier input
    violation,  // the stream is over; see `violation()` and `header.type`
  };

  Kind kind = Kind::need_more;
  bool ends = false;    // the message's last byte is in this piece
  size_t consumed = 0;  // bytes of the input that are dealt with
  Header header = {};   // of the current message
  // To forward the piece, send `carried`, then `bytes`. `carried` holds what was split over reads
  // and is usually empty. Both stay valid until a new input is scanned.
  std::string_view carried = {};
  std::string_view bytes = {};
  // For `message`: the body as far as it lies in one piece, at least the bytes that the rules hold.
  std::string_view prefix = {};
};

// Finds messages in a stream of bytes that arrives in any pieces. One for each direction of a
// connection, owned by its session or server connection; one thread. Plain data of fixed size:
// headers and held prefixes that are split over reads are copied aside (`kHeaderBytes` +
// `kHoldBytesMax`), all other body bytes are only counted. Allocates once, with the first split.
//
//   while (!input.empty()) {
//     Piece piece = scanner.next(input);
//     ...
//     input.remove_prefix(piece.consumed);
//   }
//
// or, where whole messages are wanted without further ado, `whole_messages` before each `next`.
class FrameScanner {
 public:
  explicit FrameScanner(const FrameRules& rules) : rules_(&rules) {}
  FrameScanner(const FrameScanner&) = delete;
  FrameScanner& operator=(const FrameScanner&) = delete;

  Piece next(std::string_view input) {
    if (carried_bytes_ == 0 && body_left_ == 0 && input.size() >= kHeaderBytes) [[likely]] {
      Header header = parse_header(input);
      if (!accept(header)) return refuse(header.type);
      size_t wanted = kHeaderBytes + held_bytes(header);
      if (input.size() >= wanted) [[likely]] {
        return begin(header, {}, input, input.substr(kHeaderBytes), 0);
      }
    }
    return body_left_ != 0 ? go_on(input) : carry(input);
  }

  // The usual case, many to a read: calls `on_message(header, body)` for each whole message at the
  // front of the input until it returns false, and tells how many bytes they have. What is left
  // begins with the one refused, a message that is cut off or breaks the rules: it is for `next`.
  // Kept apart because a `Piece` for each message costs more than finding it.
  template <typename OnMessage>
  size_t whole_messages(std::string_view input, OnMessage&& on_message) {
    if (!at_boundary()) return 0;
    const FrameRules& rules = *rules_;
    const char* at = input.data();
    const char* const end = at + input.size();
    while (static_cast<size_t>(end - at) >= kHeaderBytes) {
      Header header = parse_header({at, kHeaderBytes});
      if (rules.violation_of(header) != Violation::none) [[unlikely]]
        break;
      size_t body_here = static_cast<size_t>(end - at) - kHeaderBytes;
      if (header.body_bytes() > body_here) break;
      if (!on_message(header, std::string_view(at + kHeaderBytes, header.body_bytes()))) break;
      header_ = header;
      at += kHeaderBytes + header.body_bytes();
    }
    return static_cast<size_t>(at - input.data());
  }

  // Between messages: nothing of the next one has been seen.
  bool at_boundary() const { return carried_bytes_ == 0 && body_left_ == 0; }
  // Bytes of the current message's body that are still to come after the last piece.
  uint32_t body_left() const { return body_left_; }
  // Of the last message that has begun; 0 before the first.
  char last_type() const { return header_.type; }
  Violation violation() const { return violation_; }

  // The rules may change between messages: at the end of login.
  void set_rules(const FrameRules& rules) {
    assert(body_left_ == 0);
    rules_ = &rules;
  }

 private:
  bool accept(Header header) {
    violation_ = rules_->violation_of(header);
    return violation_ == Violation::none;
  }

  size_t held_bytes(Header header) const {
    return std::min<size_t>(rules_->hold[static_cast<uint8_t>(header.type)], header.body_bytes());
  }

  // `input` begins with the message's bytes after `carried`; `skipped` bytes of input before it are
  // in `carried` already.
  Piece begin(Header header, std::string_view carried, std::string_view input,
              std::string_view prefix, size_t skipped) {
    size_t message_bytes = size_t{header.length} + 1 - carried.size();
    size_t here = std::min(input.size(), message_bytes);
    header_ = header;
    body_left_ = static_cast<uint32_t>(message_bytes - here);
    return {.kind = Piece::Kind::message,
            .ends = body_left_ == 0,
            .consumed = skipped + here,
            .header = header,
            .carried = carried,
            .bytes = input.substr(0, here),
            .prefix = prefix.substr(0, header.body_bytes())};
  }

  Piece go_on(std::string_view input) {
    size_t here = std::min<size_t>(input.size(), body_left_);
    body_left_ -= static_cast<uint32_t>(here);
    return {.kind = Piece::Kind::body,
            .ends = body_left_ == 0,
            .consumed = here,
            .header = header_,
            .bytes = input.substr(0, here)};
  }

  // Also keeps every later call away from the fast path, for good.
  Piece refuse(char type) {
    header_.type = type;
    carried_bytes_ = kHeaderBytes;
    return {.kind = Piece::Kind::violation, .header = {.type = type}};
  }

  Piece carry(std::string_view input);
  size_t take(std::string_view from, size_t up_to);

  const FrameRules* rules_;
  Header header_;
  uint32_t body_left_ = 0;
  uint8_t carried_bytes_ = 0;
  // Two slots in turn: what was carried into this input may still wait to be written while the
  // input's tail is carried out.
  uint8_t slot_ = 0;
  Violation violation_ = Violation::none;
  using Slots = std::array<std::array<char, kHeaderBytes + kHoldBytesMax>, 2>;
  std::unique_ptr<Slots> slots_;  // once something was split: most idle sessions never have it
};

}  // namespace trunkline::wire
