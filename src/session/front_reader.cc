#include "session/front_reader.h"

#include <algorithm>
#include <utility>

#include "wire/protocol.h"

namespace trunkline::session {

namespace type = wire::client_message;

namespace {

// Where the portal's and the statement's name of a Bind end; `max` when that is not to be seen yet.
size_t end_of_names(std::string_view body, size_t max) {
  size_t portal = body.find('\0');
  if (portal == std::string_view::npos) return max;
  size_t statement = body.find('\0', portal + 1);
  return statement == std::string_view::npos ? max : statement + 1;
}

}  // namespace

// How many bytes of the message must be here, as far as those that are tell.
size_t FrontReader::needed(std::string_view begun) {
  if (begun.size() < wire::kHeaderBytes) return wire::kHeaderBytes;
  front_.header = wire::parse_header(begun);
  violation_ = wire::kClientRules.violation_of(front_.header);
  if (violation_ != wire::Violation::none) return wire::kHeaderBytes;
  size_t body = front_.header.body_bytes();
  switch (front_.header.type) {
    case type::kQuery:
    case type::kParse:
      return wire::kHeaderBytes + std::min(body, kTextBytesMax);
    case type::kBind: {
      size_t max = std::min(body, kNamesBytesMax);
      return wire::kHeaderBytes +
             end_of_names(begun.substr(wire::kHeaderBytes).substr(0, max), max);
    }
    case type::kDescribe:
    case type::kClose:
    case type::kExecute:
      return wire::kHeaderBytes + body;  // small by the rules
    default:
      return wire::kHeaderBytes;
  }
}

FrontReader::Found FrontReader::next(std::string_view& input) {
  if (violation_ != wire::Violation::none) return Found::violation;
  if (body_left_ > 0) return input.empty() ? Found::nothing : Found::body;
  if (gathered_.empty()) {
    if (input.empty()) return Found::nothing;
    if (input.size() >= needed(input)) {
      if (violation_ != wire::Violation::none) return Found::violation;
      front_.bytes = input.substr(0, size_t{front_.header.length} + 1);
      return Found::front;
    }
  }
  // The more is here, the more may prove to be needed.
  for (size_t wanted = needed(gathered_); gathered_.size() < wanted; wanted = needed(gathered_)) {
    if (input.empty()) return Found::nothing;
    size_t more = std::min(input.size(), wanted - gathered_.size());
    gathered_.append(input.substr(0, more));
    input.remove_prefix(more);
  }
  if (violation_ != wire::Violation::none) return Found::violation;
  front_.bytes = gathered_;
  return Found::front;
}

void FrontReader::take(std::string_view& input) {
  body_left_ = static_cast<uint32_t>(size_t{front_.header.length} + 1 - front_.bytes.size());
  if (gathered_.empty()) {
    input.remove_prefix(front_.bytes.size());
    return;
  }
  taken_ = std::move(gathered_);
  gathered_.clear();
  front_.bytes = taken_;
}

std::string_view FrontReader::take_body(std::string_view& input) {
  std::string_view bytes = input.substr(0, body_left_);
  body_left_ -= static_cast<uint32_t>(bytes.size());
  input.remove_prefix(bytes.size());
  return bytes;
}

void FrontReader::trim() {
  if (gathered_.empty()) gathered_.shrink_to_fit();
  taken_ = {};
}

}  // namespace trunkline::session
