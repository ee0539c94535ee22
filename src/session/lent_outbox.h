#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "session/outbox.h"

namespace trunkline::session {

// An outbox with much room, which it has only while something is in it: the thread lends it, and
// keeps some for the next. For sessions, most of which have nothing to write. One thread.
template <size_t PartsMax>
class LentOutbox {
 public:
  static constexpr size_t kPartsMax = PartsMax;
  // Kept by each thread.
  static constexpr size_t kSpareMax = 64;

  bool empty() const { return box_ == nullptr; }
  size_t room() const { return box_ ? box_->room() : kPartsMax; }

  void add(std::string_view bytes) {
    if (bytes.empty()) return;
    if (!box_) borrow();
    box_->add(bytes);
  }
  std::span<const iovec> parts() const { return box_ ? box_->parts() : std::span<const iovec>{}; }
  void written(size_t bytes) {
    if (!box_) return;
    box_->written(bytes);
    if (box_->empty()) clear();
  }
  void clear() {
    if (!box_) return;
    box_->clear();
    Boxes& boxes = spare();
    if (boxes.size() < kSpareMax) boxes.push_back(std::move(box_));
    box_.reset();
  }

 private:
  using Box = BasicOutbox<PartsMax>;
  using Boxes = std::vector<std::unique_ptr<Box>>;

  static Boxes& spare() {
    thread_local Boxes boxes;
    return boxes;
  }
  void borrow() {
    Boxes& boxes = spare();
    if (boxes.empty()) {
      box_ = std::make_unique<Box>();
      return;
    }
    box_ = std::move(boxes.back());
    boxes.pop_back();
  }

  std::unique_ptr<Box> box_;
};

}  // namespace trunkline::session
