#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace trunkline {

// Equal or not, in time that depends on the lengths only.
bool equal_in_constant_time(std::string_view a, std::string_view b);

// Overwrites memory so that the compiler cannot leave it out.
void wipe(void* memory, size_t bytes);
// Also what the string held before it became shorter.
void wipe(std::string& text);

// Passwords and keys. The bytes live in an arena that core dumps leave out (MADV_DONTDUMP) and are
// wiped when the secret dies. There is no stream or format operator on purpose. Movable; a copy is
// a second place to wipe, so it is written `clone()`. Any thread; one object is for one thread at a
// time.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes);
  Secret(Secret&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Secret();

  Secret clone() const { return Secret(reveal()); }
  bool empty() const { return size_ == 0; }
  // For the one place that needs the bytes; never for a log line or an error.
  std::string_view reveal() const { return {data_, size_}; }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace trunkline
