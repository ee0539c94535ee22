#include "io/frames.h"

#include <array>
#include <cstdint>
#include <new>

namespace trunkline::io {

namespace {

// Under AddressSanitizer a frame that was given back must not be touched.
#if __has_feature(address_sanitizer)
constexpr bool kKeepsFrames = false;
#else
constexpr bool kKeepsFrames = true;
#endif

constexpr size_t kStepBytes = 128;
constexpr size_t kBytesMax = 8 * 1024;
constexpr uint32_t kKeptOfEachSize = 32;

constexpr size_t rounded(size_t bytes) {
  return (bytes + kStepBytes - 1) / kStepBytes * kStepBytes;
}

class Kept {
 public:
  // What is given back later, as its thread ends, is not kept.
  ~Kept() {
    for (Size& size : sizes_) {
      while (size.first != nullptr) ::operator delete(size.take());
      size.room = 0;
    }
  }

  void* take(size_t bytes) {
    Size& size = of(bytes);
    return size.first == nullptr ? ::operator new(rounded(bytes)) : size.take();
  }
  void give_back(void* frame, size_t bytes) {
    Size& size = of(bytes);
    if (size.room == 0) return ::operator delete(frame);
    size.put(frame);
  }

 private:
  struct Free {
    Free* next;
  };
  struct Size {
    void* take() {
      Free* taken = first;
      first = taken->next;
      ++room;
      return taken;
    }
    void put(void* frame) {
      first = new (frame) Free{first};
      --room;
    }
    Free* first = nullptr;
    uint32_t room = kKeptOfEachSize;
  };

  Size& of(size_t bytes) { return sizes_[rounded(bytes) / kStepBytes - 1]; }

  std::array<Size, kBytesMax / kStepBytes> sizes_;
};

thread_local Kept kept;

}  // namespace

void* take_frame(size_t bytes) {
  return !kKeepsFrames || bytes > kBytesMax ? ::operator new(bytes) : kept.take(bytes);
}

void give_frame_back(void* frame, size_t bytes) noexcept {
  if (!kKeepsFrames || bytes > kBytesMax) {
    ::operator delete(frame);
  } else {
    kept.give_back(frame, bytes);
  }
}

}  // namespace trunkline::io
