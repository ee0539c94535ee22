#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace trunkline {

// A text in 16 bytes, up to 15 of it without memory of its own; 4 GiB at most. For what thousands
// of objects hold and is nearly always short: names of users, databases, prepared statements. Not
// changed but as a whole; a value.
class ShortString {
 public:
  static constexpr size_t kInlineMax = 15;

  ShortString() = default;
  ShortString(std::string_view text) {
    if (text.size() <= kInlineMax) {
      text.copy(bytes_.data(), text.size());
      bytes_[kInlineMax] = static_cast<char>(text.size());
      return;
    }
    char* own = new char[text.size()];
    text.copy(own, text.size());
    store({own, static_cast<uint32_t>(text.size())});
  }
  ShortString(const std::string& text) : ShortString(std::string_view(text)) {}
  ShortString(const ShortString& other) : ShortString(other.view()) {}
  ShortString(ShortString&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  ShortString& operator=(ShortString other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~ShortString() {
    if (is_long()) delete[] load().data;
  }

  std::string_view view() const {
    if (!is_long()) return {bytes_.data(), static_cast<size_t>(bytes_[kInlineMax])};
    Long own = load();
    return {own.data, own.size};
  }
  operator std::string_view() const { return view(); }
  bool empty() const { return view().empty(); }

  // For tables that are asked by views.
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a == b; }
  };

 private:
  struct Long {
    char* data;
    uint32_t size;
  };
  static constexpr char kLong = kInlineMax + 1;

  bool is_long() const { return bytes_[kInlineMax] == kLong; }
  void store(const Long& own) {
    std::memcpy(bytes_.data(), static_cast<const void*>(&own.data), sizeof own.data);
    std::memcpy(bytes_.data() + sizeof own.data, &own.size, sizeof own.size);
    bytes_[kInlineMax] = kLong;
  }
  Long load() const {
    Long own;
    std::memcpy(static_cast<void*>(&own.data), bytes_.data(), sizeof own.data);
    std::memcpy(&own.size, bytes_.data() + sizeof own.data, sizeof own.size);
    return own;
  }

  // The text, and its size in the last byte; or where it lies and its size, and `kLong`.
  std::array<char, kInlineMax + 1> bytes_{};
};

}  // namespace trunkline
