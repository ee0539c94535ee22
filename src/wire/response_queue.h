#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "wire/frame.h"
#include "wire/messages.h"
#include "wire/protocol.h"

namespace trunkline::wire {

// What was asked of a server and is not answered yet.
enum class Request : uint8_t {
  none,
  query,
  function_call,
  parse,  // from here on: the extended protocol
  bind,
  describe,
  execute,
  close,
  bad_flush,  // a Flush with a body: answered with an error, otherwise Flush has no answer; the
              // last of the extended protocol
  sync,
  copy_end,  // CopyDone or CopyFail: has no answer of its own, marks where COPY IN ends
};
// nullopt: the message (CopyData, Flush, Terminate) is no request.
std::optional<Request> request_of(Header header);

// Attributes each message of a server to the request that it answers, and follows the server's
// state: ReadyForQuery's, COPY, and skipping to Sync after an error (documentation 54.2.3 and
// 54.2.4).
//
// Belongs to the server connection and moves with it; used by the thread that owns the connection.
// Every request of whatever session is pushed in the order in which it is sent to the server. Equal
// requests in a row cost nothing; memory is bounded by `kRunsMax` and `kOutstandingMax`, and
// whoever pushes stops reading its client while `full()`.
class ResponseQueue {
 public:
  using Owner = uint32_t;  // the session's id

  enum Flags : uint8_t {
    kForward = 0,
    kSwallow = 1,   // the proxy's own request: no session sees the answer
    kByProxy = 2,   // not sent to the server: the proxy answers when the turn comes
    kReplaced = 4,  // sent so that it fails: the client is shown an error of ours
    kNamed = 8,     // goes under another name than the client gave
  };

  struct Entry {
    Request request = Request::none;
    uint8_t flags = kForward;
    Owner owner = 0;

    bool operator==(const Entry&) const = default;
    bool swallow() const { return (flags & kSwallow) != 0; }
    bool named() const { return (flags & kNamed) != 0; }
    bool replaced() const { return (flags & kReplaced) != 0; }
  };

  struct Attribution {
    Entry entry = {};      // Request::none: asynchronous, and nobody is being answered
    bool expected = true;  // false: the server says what cannot be said now
    bool done = false;     // the entry is answered
    TransactionStatus status = TransactionStatus::idle;  // of ReadyForQuery
  };

  ResponseQueue() = default;
  ResponseQueue(const ResponseQueue&) = delete;
  ResponseQueue& operator=(const ResponseQueue&) = delete;

  static constexpr size_t kRunsMax = 1024;
  static constexpr uint32_t kOutstandingMax = 1'000'000;

  // False when the server will not answer: it skips to Sync, or ignores the message in COPY mode.
  // Not to be called while full().
  bool push(Request request, Owner owner, uint8_t flags = kForward) {
    bool is_plain = flags == kForward && request != Request::copy_end;
    if (!is_plain || copying_in_ || skipping_) [[unlikely]]
      return push_special(request, owner, flags);
    // Whatever ends with ReadyForQuery leaves nothing open.
    unsynced_ = is_extended(request);
    append({.request = request, .flags = flags, .owner = owner});
    return true;
  }

  // `prefix` is the body as far as the frame scanner's rules hold it.
  Attribution on_message(char type, std::string_view prefix);

  bool is_due() const { return size_ > 0 && (run(0).flags() & kByProxy) != 0; }
  // The next answer the proxy owes, if its turn has come. Call until nullopt after each `push` and
  // `on_message`.
  std::optional<Entry> take_due();

  // The server skips what it is sent, for certain, and the Sync that ends this is not sent yet.
  bool skips() const { return skipping_ && stray_syncs_ == 0; }
  bool full() const { return size_ >= kRunsMax || outstanding_ >= kOutstandingMax; }
  bool empty() const { return size_ == 0; }
  // The last thing that was asked, and is not answered, ends with ReadyForQuery.
  bool awaits_ready_last() const {
    if (size_ == 0) return false;
    Request last = run(size_ - 1).request();
    return last == Request::query || last == Request::function_call || last == Request::sync;
  }
  // What comes now is for nobody.
  bool swallowing() const { return size_ > 0 && (run(0).flags() & kSwallow) != 0; }
  uint32_t outstanding() const { return outstanding_; }
  TransactionStatus status() const { return status_; }
  bool in_copy_in() const { return copying_in_; }
  // Nothing is asked, open or uncertain: the connection may serve somebody else.
  bool idle() const {
    return empty() && status_ == TransactionStatus::idle && !unsynced_ && !skipping_ &&
           !copying_in_ && stray_syncs_ == 0;
  }

  // Whether the server has ignored a Sync or will answer it shows with the next answer only.
  bool in_doubt() const { return stray_syncs_ > 0; }

  // Gives back memory that a deep pipeline took; for connections that go idle.
  void trim();

 private:
  static constexpr bool is_extended(Request request) {
    return request >= Request::parse && request <= Request::bad_flush;
  }
  bool push_special(Request request, Owner owner, uint8_t flags);

  // An entry in one word: written and compared as one, several times a request.
  struct Run {
    uint64_t packed = 0;
    uint32_t count = 0;

    static constexpr uint64_t pack(Entry entry) {
      return uint64_t{entry.owner} << 32 | uint64_t{entry.flags} << 8 |
             static_cast<uint64_t>(entry.request);
    }
    constexpr Request request() const { return static_cast<Request>(packed & 0xff); }
    constexpr uint8_t flags() const { return static_cast<uint8_t>(packed >> 8 & 0xff); }
    constexpr Entry entry() const {
      return {.request = request(), .flags = flags(), .owner = static_cast<Owner>(packed >> 32)};
    }
  };
  static constexpr size_t kInlineRuns = 8;

  Run& run(size_t index) { return runs_[(first_ + index) & (capacity_ - 1)]; }
  const Run& run(size_t index) const { return runs_[(first_ + index) & (capacity_ - 1)]; }
  void append(Entry entry) {
    ++outstanding_;
    uint64_t packed = Run::pack(entry);
    if (size_ > 0 && run(size_ - 1).packed == packed) {
      ++run(size_ - 1).count;
      return;
    }
    if (size_ == capacity_) [[unlikely]]
      grow();
    run(size_++) = {.packed = packed, .count = 1};
  }
  void grow();
  void pop_one() {
    --outstanding_;
    if (--run(0).count == 0) drop_run();
  }
  void pop_run() {
    outstanding_ -= run(0).count;
    drop_run();
  }
  void drop_run() {
    first_ = (first_ + 1) & (capacity_ - 1);
    --size_;
  }
  void finish_head();
  void skip_to_sync();
  void begin_copy_in();
  void on_other(char type, Attribution& result);
  void on_error(Attribution& result);
  void on_ready(std::string_view body, Attribution& result);

  std::array<Run, kInlineRuns> inline_;
  std::unique_ptr<Run[]> heap_;
  Run* runs_ = inline_.data();     // or those on the heap
  size_t capacity_ = kInlineRuns;  // a power of two
  size_t first_ = 0;
  size_t size_ = 0;
  uint32_t outstanding_ = 0;

  TransactionStatus status_ = TransactionStatus::idle;  // of the last ReadyForQuery
  bool head_started_ = false;                           // some answer to the head came
  bool unsynced_ = false;    // an extended request was sent and nothing after it that ends with
                             // ReadyForQuery
  bool skipping_ = false;    // the server skips, and the Sync is not sent yet
  bool copying_in_ = false;  // the server waits for a CopyDone or CopyFail not sent yet
  bool head_copies_in_ = false;
  // Syncs sent during the head's COPY IN, which the server ignores; and those of a COPY that
  // failed: it may have failed before the server saw them, and then each is answered.
  uint32_t ignored_syncs_ = 0;
  uint32_t stray_syncs_ = 0;
  Owner stray_owner_ = 0;
};

}  // namespace trunkline::wire
