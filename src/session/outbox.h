#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <span>
#include <string_view>
#include <sys/uio.h>

namespace trunkline::session {

// What one turn has to write to one peer, as pieces of buffers that belong to others and stay where
// they are until all is written: one gather write per wake-up. Neighbouring pieces join. Plain
// data, bounded by PartsMax.
template <size_t PartsMax>
class BasicOutbox {
 public:
  static constexpr size_t kPartsMax = PartsMax;

  bool empty() const { return begin_ == end_; }
  // So many more pieces fit for sure.
  size_t room() const { return empty() ? kPartsMax : kPartsMax - end_; }

  void add(std::string_view bytes) {
    if (bytes.empty()) return;
    if (!empty()) {
      iovec& last = parts_[end_ - 1];
      if (static_cast<const char*>(last.iov_base) + last.iov_len == bytes.data()) {
        last.iov_len += bytes.size();
        return;
      }
    } else {
      begin_ = end_ = 0;
    }
    assert(end_ < kPartsMax);
    parts_[end_++] = {const_cast<char*>(bytes.data()), bytes.size()};
  }

  std::span<const iovec> parts() const { return {parts_.data() + begin_, end_ - begin_}; }

  void written(size_t bytes) {
    while (bytes > 0) {
      iovec& first = parts_[begin_];
      if (bytes < first.iov_len) {
        first.iov_base = static_cast<char*>(first.iov_base) + bytes;
        first.iov_len -= bytes;
        return;
      }
      bytes -= first.iov_len;
      ++begin_;
    }
  }

  void clear() { begin_ = end_ = 0; }

 private:
  std::array<iovec, kPartsMax> parts_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

// Of a relay that changes nothing: a chunk of input yields at most carried bytes, bytes of the
// buffer, and one injected message.
using Outbox = BasicOutbox<4>;

}  // namespace trunkline::session
