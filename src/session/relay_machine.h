#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "config/model.h"
#include "session/outbox.h"
#include "session/relay_tally.h"
#include "upstream/server_count.h"
#include "wire/frame.h"
#include "wire/protocol.h"
#include "wire/response_queue.h"

namespace trunkline::session {

// What crosses the relay, message by message: decides what goes on, follows the state of the server
// connection with its response queue, and feeds the statistics. Pure: bytes in, pieces to be
// written out. Called once for each chunk that was read; allocates nothing but what a deep pipeline
// makes the response queue take, within that queue's bounds. Owned by the session, on its worker's
// thread.
class RelayMachine {
 public:
  enum class Verdict : uint8_t {
    go_on,
    full,       // too much is unanswered: show the rest of the input again when `full()` is over
    terminate,  // the client said Terminate: it is passed on, the rest of the input is not
    violation,  // the stream is broken, see `violation()`
  };

  // `events` is null where nobody listens.
  RelayMachine(config::Inspect inspect, RelayCounters counters, upstream::ServerCount& server,
               RelayEvents* events = nullptr);

  // `input` loses what is dealt with; its bytes must stay until `out` is written.
  Verdict from_client(std::string_view& input, Instant now, Outbox& out);
  Verdict from_server(std::string_view& input, Instant now, Outbox& out);

  // A message that has begun still goes on: the server waits for its end.
  bool full() const { return queue_.full() && client_scanner_.body_left() == 0; }
  // Everything asked so far is answered, as far as the server answers without a Sync.
  bool all_answered() const { return queue_.empty(); }
  // The server waits for the client's data, and answers nothing before its end.
  bool in_copy_in() const { return queue_.in_copy_in(); }
  // The server is in the middle of a result or may be: what is not looked at may be one.
  bool server_in_rows() const {
    return !decodes_ || server_scanner_.last_type() == wire::server_message::kDataRow ||
           server_scanner_.last_type() == wire::server_message::kCopyData;
  }
  // The server owes an answer; its loss now is one in the middle of an exchange. False in
  // replication, which only ends by a loss.
  bool exchange_open() const { return !queue_.empty() && !copying_both_; }
  bool in_transaction() const { return queue_.status() != wire::TransactionStatus::idle; }
  // See `RelayTally`.
  Instant exchange_started() const { return tally_.exchange_started(); }
  // The client has no request, no transaction and no half message open. Never true where bytes are
  // not looked at.
  bool between_transactions() const;
  // A message of our own may be put in here. A header that is not complete yet has not been passed
  // on, and one that breaks the protocol never is.
  bool client_stream_at_boundary() const { return decodes_ && server_scanner_.body_left() == 0; }
  bool server_stream_at_boundary() const { return decodes_ && client_scanner_.body_left() == 0; }
  bool server_said_fatal() const { return tally_.server_said_fatal(); }
  // After a verdict of violation.
  const Error& violation() const { return *violation_; }

 private:
  void on_client_message(wire::Header header, Instant now);
  void on_server_message(char type, std::string_view prefix, Instant now);
  void ask_for_answers(Outbox& out) const;
  Verdict refuse(wire::Direction direction, const wire::Piece& piece);

  const bool decodes_;
  upstream::ServerCount& server_;
  RelayTally tally_;
  wire::FrameScanner client_scanner_{wire::kClientRules};
  wire::FrameScanner server_scanner_{wire::kServerRules};
  wire::ResponseQueue queue_;
  bool copying_both_ = false;
  std::unique_ptr<Error> violation_;
};

}  // namespace trunkline::session
