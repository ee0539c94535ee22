#pragma once

#include <cstddef>

// Memory of coroutine frames. A login takes a dozen of them, and those that hold a buffer are
// larger than what malloc keeps at hand, so each thread keeps a few of each size itself. A frame
// may be given back on another thread than it was taken on.
namespace trunkline::io {

void* take_frame(size_t bytes);
void give_frame_back(void* frame, size_t bytes) noexcept;

}  // namespace trunkline::io
