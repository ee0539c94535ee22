#pragma once

#include <coroutine>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>

#include "io/task.h"
#include "io/waiter.h"

namespace trunkline::io {

// A task that runs beside the coroutine that owns this, which waits for the task's end and for
// something else at once. Starts with the construction; raises `bits` at its end. Destroyed where
// it stands when it is no longer wanted: so the task, and whatever it awaits, must be fit to be
// destroyed while it waits, and must not be what destroys this. One thread.
template <typename T>
class Running {
 public:
  Running(Task<T> task, Waiter& waiter, uint32_t bits)
      : frame_(run(std::move(task), value_, waiter, bits)) {}
  ~Running() { frame_.destroy(); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  // Once the bits have been raised.
  T take() { return std::move(*value_); }

 private:
  struct Frame {
    struct promise_type {
      std::coroutine_handle<> get_return_object() {
        return std::coroutine_handle<promise_type>::from_promise(*this);
      }
      std::suspend_never initial_suspend() const noexcept { return {}; }
      std::suspend_always final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      [[noreturn]] void unhandled_exception() const noexcept { std::abort(); }
    };

    Frame(std::coroutine_handle<> handle) : handle(handle) {}
    std::coroutine_handle<> handle;
    void destroy() const { handle.destroy(); }
  };

  static Frame run(Task<T> task, std::optional<T>& value, Waiter& waiter, uint32_t bits) {
    value.emplace(co_await task);
    waiter.raise(bits);
  }

  std::optional<T> value_;
  const Frame frame_;  // behind what it writes to
};

}  // namespace trunkline::io
