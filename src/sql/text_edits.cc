#include "sql/text_edits.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace trunkline::sql {

namespace {

uint64_t count(std::string_view text, Characters characters) {
  if (characters == Characters::bytes) return text.size();
  return static_cast<uint64_t>(std::ranges::count_if(
      text, [](char each) { return (static_cast<unsigned char>(each) & 0xc0) != 0x80; }));
}

}  // namespace

void TextEdits::replace(Span span, std::string with) {
  assert(edits_.empty() || edits_.back().span.offset + edits_.back().span.length <= span.offset);
  edits_.push_back({span, std::move(with)});
}

std::string TextEdits::apply(std::string_view text) const {
  std::string changed;
  uint64_t at = 0;
  for (const Edit& edit : edits_) {
    changed += text.substr(at, edit.span.offset - at);
    changed += edit.with;
    at = edit.span.offset + edit.span.length;
  }
  changed += text.substr(at);
  return changed;
}

std::optional<uint64_t> TextEdits::place_before(uint64_t place, std::string_view text,
                                                Characters characters) const {
  // Of the changed text and of the text, up to the same byte.
  uint64_t changed = 0;
  uint64_t original = 0;
  uint64_t at = 0;
  for (const Edit& edit : edits_) {
    uint64_t kept = count(text.substr(at, edit.span.offset - at), characters);
    if (place <= changed + kept) break;
    changed += kept;
    original += kept;
    uint64_t with = count(edit.with, characters);
    if (place <= changed + with) {
      // A name that was replaced by another stands where it stood.
      return edit.span.length > 0 ? std::optional(original + 1) : std::nullopt;
    }
    changed += with;
    original += count(text.substr(edit.span.offset, edit.span.length), characters);
    at = edit.span.offset + edit.span.length;
  }
  return original + (place - changed);
}

}  // namespace trunkline::sql
