#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "wire/frame.h"

// What a frame scanner made of a stream, in a form that does not depend on how it was split.
struct Story {
  std::string messages;   // type, length and held prefix of each
  std::string forwarded;  // every byte that a relay would have sent on
  bool refused = false;
};

// The same stream in other pieces must tell the same story; a stream that is refused may have been
// forwarded up to another point.
inline void must_tell(const Story& expected, const Story& story) {
  bool same = story.messages == expected.messages && story.refused == expected.refused &&
              (expected.refused || story.forwarded == expected.forwarded);
  if (!same) std::abort();
}

// Whether whole messages are taken by themselves, as the relay does, or each as a piece.
enum class Way { pieces, whole_first };

// Feeds `input` in chunks. `on_message` sees each header with its prefix.
template <typename OnMessage>
Story scan(const trunkline::wire::FrameRules& rules, std::string_view input, size_t chunk,
           OnMessage on_message, Way way = Way::pieces) {
  using namespace trunkline::wire;
  FrameScanner scanner(rules);
  Story story;
  auto tell = [&](Header header, std::string_view prefix) {
    size_t held =
        std::min<size_t>(rules.hold[static_cast<uint8_t>(header.type)], header.body_bytes());
    if (prefix.size() < held) std::abort();
    story.messages += header.type + std::to_string(header.length);
    story.messages.append(prefix.substr(0, held)).push_back(';');
    on_message(header, prefix.substr(0, held));
    return true;
  };
  while (!input.empty()) {
    std::string own(input.substr(0, chunk));
    input.remove_prefix(own.size());
    std::string_view rest = own;
    while (!rest.empty()) {
      if (way == Way::whole_first) {
        size_t bytes = scanner.whole_messages(rest, tell);
        story.forwarded.append(rest.substr(0, bytes));
        rest.remove_prefix(bytes);
        if (rest.empty()) break;
      }
      Piece piece = scanner.next(rest);
      if (piece.kind == Piece::Kind::violation) {
        story.refused = true;
        return story;
      }
      if (piece.consumed == 0 || piece.consumed > rest.size()) std::abort();
      if (piece.kind == Piece::Kind::message) tell(piece.header, piece.prefix);
      if (piece.ends != (piece.kind != Piece::Kind::need_more && scanner.body_left() == 0)) {
        std::abort();
      }
      story.forwarded.append(piece.carried).append(piece.bytes);
      rest.remove_prefix(piece.consumed);
    }
  }
  return story;
}
