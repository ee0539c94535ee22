#include "wire/frame.h"

#include <string>

namespace trunkline::wire {
namespace {

constexpr FrameRules client_rules() {
  FrameRules rules;
  rules.allow("QPBFd", kLargeMessageLengthMax);
  rules.allow("CDEHSXcf", kSmallMessageLengthMax);
  rules.hold_bytes(client_message::kDescribe, 1);  // 'S'tatement or 'P'ortal
  rules.hold_bytes(client_message::kClose, 1);
  return rules;
}

constexpr FrameRules client_login_rules() {
  FrameRules rules;
  rules.allow("p", kPasswordLengthMax);
  return rules;
}

constexpr FrameRules server_rules() {
  FrameRules rules;
  rules.allow("123ACDEGHIKNRSTVWZcdnstv", kServerMessageLengthMax);
  rules.hold_bytes(server_message::kReadyForQuery, 1);
  rules.hold_bytes(server_message::kCommandComplete, kHoldBytesMax);
  rules.hold_bytes(server_message::kErrorResponse, kHoldBytesMax);
  rules.hold_bytes(server_message::kNoticeResponse, kHoldBytesMax);
  rules.hold_bytes(server_message::kAuthentication, 4);
  return rules;
}

}  // namespace

constinit const FrameRules kClientRules = client_rules();
constinit const FrameRules kClientLoginRules = client_login_rules();
constinit const FrameRules kServerRules = server_rules();

// Copies from the front of `from` until the slot holds `up_to` bytes; says how many were copied.
size_t FrameScanner::take(std::string_view from, size_t up_to) {
  if (carried_bytes_ >= up_to) return 0;
  size_t count = std::min(from.size(), up_to - carried_bytes_);
  if (!slots_) slots_ = std::make_unique<Slots>();
  std::memcpy((*slots_)[slot_].data() + carried_bytes_, from.data(), count);
  carried_bytes_ += static_cast<uint8_t>(count);
  return count;
}

Piece FrameScanner::carry(std::string_view input) {
  if (violation_ != Violation::none) return refuse(header_.type);
  size_t skipped = take(input, kHeaderBytes);
  if (carried_bytes_ == 0) return {};

  const char* slot = (*slots_)[slot_].data();
  // PostgreSQL refuses an unknown type before it has seen the length.
  if (rules_->length_max[static_cast<uint8_t>(slot[0])] == 0) {
    violation_ = Violation::unknown_type;
    return refuse(slot[0]);
  }
  if (carried_bytes_ < kHeaderBytes) return {.consumed = skipped};
  Header header = parse_header({slot, kHeaderBytes});
  if (!accept(header)) return refuse(header.type);
  size_t wanted = kHeaderBytes + held_bytes(header);
  skipped += take(input.substr(skipped), wanted);
  if (carried_bytes_ < wanted) return {.consumed = skipped};

  std::string_view carried(slot, wanted);
  carried_bytes_ = 0;
  slot_ ^= 1;
  return begin(header, carried, input.substr(skipped), carried.substr(kHeaderBytes), skipped);
}

Error violation_error(Direction direction, Violation violation, char type) {
  bool client = direction == Direction::from_client;
  std::string number = std::to_string(static_cast<uint8_t>(type));
  return {.reason = client ? Reason::client_protocol_error : Reason::server_protocol_error,
          .side = client ? Side::client : Side::server,
          .sqlstate = sqlstate::kProtocolViolation,
          .message = violation == Violation::length ? "invalid message length"
                     : client                       ? "invalid frontend message type " + number
                              : "invalid message type " + number + " from the server"};
}

}  // namespace trunkline::wire
