#pragma once

#include <span>
#include <string>
#include <string_view>

namespace trunkline {

// `*` stands for any run of bytes, also none; every other byte for itself. Linear in the text for
// each star.
bool matches_wildcard(std::string_view pattern, std::string_view text);

// The word nearest to `text` by edit distance, for "did you mean"; empty when none is near enough
// to be a slip of the pen.
std::string_view nearest_word(std::string_view text, std::span<const std::string_view> words);

// Length in bytes of the UTF-8 sequence that `text`, which is not empty, starts with; 0 when it is
// not valid.
size_t utf8_sequence(std::string_view text);

// Text from outside, safe to print on one line: control bytes and backslashes are escaped, invalid
// UTF-8 becomes \xNN, and what is longer than `max_bytes` is cut with "...".
std::string printable(std::string_view hostile, size_t max_bytes = 128);

bool is_ascii(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);  // ASCII
std::string to_lower(std::string_view text);                       // ASCII

}  // namespace trunkline
