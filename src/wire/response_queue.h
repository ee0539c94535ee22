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
  parse,
  bind,
  describe,
  execute,
  close,
  bad_flush,  // a Flush with a body: answered with an error, otherwise Flush has no answer
  sync,
  copy_end,  // CopyDone or CopyFail: has no answer of its own, marks where COPY IN ends
};
// nullopt: the message (CopyData, Flush, Terminate) is no request.
std::optional<Request> request_of(Header header);

enum class TransactionEnd : uint8_t { none, commit, rollback };

// Attributes each message of a server to the request that it answers, and follows the server's
// state: transaction, COPY, and skipping to Sync after an error (documentation 54.2.3 and 54.2.4).
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
    kSwallow = 1,  // the proxy's own request: no session sees the answer
    kByProxy = 2,  // not sent to the server: the proxy answers when the turn comes
  };

  struct Entry {
    Request request = Request::none;
    uint8_t flags = kForward;
    Owner owner = 0;

    bool operator==(const Entry&) const = default;
    bool swallow() const { return (flags & kSwallow) != 0; }
  };

  struct Attribution {
    Entry entry = {};      // Request::none: asynchronous, and nobody is being answered
    bool expected = true;  // false: the server says what cannot be said now
    bool done = false;     // the entry is answered
    CommandTag tag = {};   // of CommandComplete
    TransactionStatus status = TransactionStatus::idle;  // of ReadyForQuery
    TransactionEnd end = TransactionEnd::none;           // with ReadyForQuery
  };

  ResponseQueue() = default;
  ResponseQueue(const ResponseQueue&) = delete;
  ResponseQueue& operator=(const ResponseQueue&) = delete;

  static constexpr size_t kRunsMax = 1024;
  static constexpr uint32_t kOutstandingMax = 1'000'000;

  // False when the server will not answer: it skips to Sync, or ignores the message in COPY mode.
  // Not to be called while full().
  bool push(Request request, Owner owner, uint8_t flags = kForward);

  // `prefix` is the body as far as the frame scanner's rules hold it.
  Attribution on_message(char type, std::string_view prefix);

  // The next answer the proxy owes, if its turn has come. Call until nullopt after each `push` and
  // `on_message`.
  std::optional<Entry> take_due();

  bool full() const { return size_ == kRunsMax || outstanding_ >= kOutstandingMax; }
  bool empty() const { return size_ == 0; }
  uint32_t outstanding() const { return outstanding_; }
  TransactionStatus status() const { return status_; }
  bool in_copy_in() const { return copying_in_; }
  // Nothing is asked, open or uncertain: the connection may serve somebody else.
  bool idle() const {
    return empty() && status_ == TransactionStatus::idle && !unsynced_ && !skipping_ &&
           !copying_in_ && stray_syncs_ == 0;
  }
  // The connection's loss now would roll something back.
  bool in_transaction() const;

  // Gives back memory that a deep pipeline took; for connections that go idle.
  void trim();

 private:
  struct Run {
    Entry entry;
    uint32_t count = 0;
  };
  static constexpr size_t kInlineRuns = 8;

  Run& run(size_t index) {
    Run* runs = heap_ ? heap_.get() : inline_.data();
    return runs[(first_ + index) & (capacity_ - 1)];
  }
  const Run& run(size_t index) const { return const_cast<ResponseQueue*>(this)->run(index); }
  void append(const Entry& entry);
  void grow();
  void pop_one();
  void pop_run();
  void finish_head();
  void skip_to_sync();
  void begin_copy_in();
  void on_error(Attribution& result);
  void on_ready(std::string_view body, Attribution& result);
  TransactionEnd end_of_transaction(TransactionStatus now) const;

  std::array<Run, kInlineRuns> inline_;
  std::unique_ptr<Run[]> heap_;
  size_t capacity_ = kInlineRuns;  // a power of two
  size_t first_ = 0;
  size_t size_ = 0;
  uint32_t outstanding_ = 0;

  TransactionStatus status_ = TransactionStatus::idle;  // of the last ReadyForQuery
  bool head_started_ = false;                           // some answer to the head came
  bool unsynced_ = false;    // an extended request was sent and no Sync after it
  bool skipping_ = false;    // the server skips, and the Sync is not sent yet
  bool copying_in_ = false;  // the server waits for a CopyDone or CopyFail not sent yet
  bool head_copies_in_ = false;
  // Since the last ReadyForQuery:
  bool worked_ = false;
  bool failed_ = false;
  CommandKind last_ending_ = CommandKind::other;  // COMMIT or ROLLBACK
  // Syncs sent during the head's COPY IN, which the server ignores; and those of a COPY that
  // failed: it may have failed before the server saw them, and then each is answered.
  uint32_t ignored_syncs_ = 0;
  uint32_t stray_syncs_ = 0;
  Owner stray_owner_ = 0;
};

}  // namespace trunkline::wire
