#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace trunkline::sql {

// Sorted tables of words, written as one text with single spaces between them.
consteval size_t count_words(std::string_view text) {
  return 1 + static_cast<size_t>(std::ranges::count(text, ' '));
}

template <size_t kCount>
consteval std::array<std::string_view, kCount> split_words(std::string_view text) {
  std::array<std::string_view, kCount> words;
  for (std::string_view& word : words) {
    size_t end = std::min(text.find(' '), text.size());
    word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

}  // namespace trunkline::sql
