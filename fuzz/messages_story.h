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

  bool operator==(const Story&) const = default;
};

// Feeds `input` in chunks. `on_message` sees each header with its prefix.
template <typename OnMessage>
Story scan(const trunkline::wire::FrameRules& rules, std::string_view input, size_t chunk,
           OnMessage on_message) {
  using namespace trunkline::wire;
  FrameScanner scanner(rules);
  Story story;
  while (!input.empty()) {
    std::string own(input.substr(0, chunk));
    input.remove_prefix(own.size());
    std::string_view rest = own;
    while (!rest.empty()) {
      Piece piece = scanner.next(rest);
      if (piece.kind == Piece::Kind::violation) {
        story.refused = true;
        return story;
      }
      if (piece.consumed == 0 || piece.consumed > rest.size()) std::abort();
      if (piece.kind == Piece::Kind::message) {
        size_t held = std::min<size_t>(rules.hold[static_cast<uint8_t>(piece.header.type)],
                                       piece.header.body_bytes());
        if (piece.prefix.size() < held) std::abort();
        story.messages += piece.header.type + std::to_string(piece.header.length);
        story.messages.append(piece.prefix.substr(0, held)).push_back(';');
        on_message(piece.header, piece.prefix.substr(0, held));
      }
      if (piece.ends != (piece.kind != Piece::Kind::need_more && scanner.body_left() == 0)) {
        std::abort();
      }
      story.forwarded.append(piece.carried).append(piece.bytes);
      rest.remove_prefix(piece.consumed);
    }
  }
  return story;
}
