#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

// Bytes on the wire are `std::string_view` (borrowed) and `std::string` (owned): most of the
// protocol is text, and both carry the searching and comparing that parsing needs. All integers of
// the protocol are big-endian.
namespace trunkline {

template <typename T>
inline T load_big_endian(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::little && sizeof(T) > 1) {
    value = std::byteswap(value);
  }
  return value;
}

template <typename T>
inline void store_big_endian(char* to, T value) {
  if constexpr (std::endian::native == std::endian::little && sizeof(T) > 1) {
    value = std::byteswap(value);
  }
  std::memcpy(to, &value, sizeof value);
}

template <typename T>
inline void append_big_endian(std::string& to, T value) {
  char raw[sizeof(T)];
  store_big_endian(raw, value);
  to.append(raw, sizeof raw);
}

// Reads a message body front to back. After the first read past the end every read fails; the view
// must outlive it.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::string_view rest() const { return rest_; }
  bool at_end() const { return rest_.empty(); }
  bool failed() const { return failed_; }

  template <typename T>
  std::optional<T> read() {
    if (failed_ || rest_.size() < sizeof(T)) return fail();
    T value = load_big_endian<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }

  std::optional<std::string_view> read_bytes(size_t count) {
    if (failed_ || rest_.size() < count) return fail();
    std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }

  // A string up to its zero byte, which is consumed and not part of the result.
  std::optional<std::string_view> read_c_string() {
    size_t end = failed_ ? std::string_view::npos : rest_.find('\0');
    if (end == std::string_view::npos) return fail();
    std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

 private:
  std::nullopt_t fail() {
    failed_ = true;
    return std::nullopt;
  }

  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace trunkline
