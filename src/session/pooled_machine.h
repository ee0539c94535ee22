#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "pool/connection.h"
#include "session/front_reader.h"
#include "session/outbox.h"
#include "session/pooled_client.h"
#include "session/relay_tally.h"
#include "session/statement_cache.h"
#include "wire/response_queue.h"

namespace trunkline::session {

// A session that shares server connections, message by message: what is the client's own (its
// settings and prepared statements) is laid onto whatever connection it is given; what cannot be
// moved pins it to the one it has. Pure: bytes in, pieces to be written out. There only while the
// session has something to do, see `rests`; owned by its relay, on its worker's thread.
//
//   client: Parse "s1" ──► ours ──► Parse "trunkline_1f", or nothing when the server knows it
//   server: ReadyForQuery 'I' ──► `may_leave`: somebody else may have the connection
//
// A client's requests go on up to the next Sync or Query, and from there when that is answered: so
// all that is known at ReadyForQuery is certain, and the connection comes free.
class PooledMachine {
 public:
  using Pieces = BasicOutbox<32>;
  // Of names and headers that are changed, in one turn; what is longer is allocated.
  static constexpr size_t kScratchBytes = 4096;

  enum class Verdict : uint8_t {
    go_on,        // all of the input is dealt with
    need_server,  // the next message is for a server
    hold,         // the next message waits for the answers to those before it
    write_first,  // there is no more room in `out`
    terminate,    // the client said Terminate
    violation,    // the stream is broken, see `violation()`
  };

  // What a Parse or Close changes, to be confirmed or undone.
  struct Change {
    std::string name = {};
    pool::StatementPtr before = {};
    pool::StatementPtr made = {};  // on the server, for this
    bool of_client = true;
  };
  struct Portal {
    std::string name;
    pool::StatementPtr statement;
  };
  // Memory that the next machine uses again.
  struct Buffers {
    std::vector<Change> changes = {};
    std::vector<std::shared_ptr<const sql::TextFacts>> running = {};
    std::vector<Portal> portals = {};
    std::vector<std::string> named = {};
  };

  PooledMachine(PooledClient& client, Buffers& buffers, RelayCounters counters, RelayEvents* events,
                StatementCache& cache);
  ~PooledMachine();
  PooledMachine(const PooledMachine&) = delete;
  PooledMachine& operator=(const PooledMachine&) = delete;

  // From here on the session uses this connection, until `detach`.
  void attach(pool::Connection& server);
  void detach();

  // `input` loses what is dealt with; its bytes and those of `scratch` must stay until `out` is
  // written. Not to be called before `out` is empty.
  Verdict from_client(std::string_view& input, std::span<char> scratch, Instant now, Pieces& out);
  // Answers of our own come out too, also for an empty input. Not to be called before `out` is
  // empty. False: the server broke the protocol, see `violation()`.
  bool from_server(std::string_view& input, Instant now, Pieces& out);
  // There is more to come out of `from_server`, without the server.
  bool has_answers() const {
    return answers_blocked_ || syncs_owed_ > 0 || !refusal_.empty() || is_due();
  }
  // Instead of going to a server, what the client asks next is answered with this error, up to its
  // ReadyForQuery.
  void refuse_next(const Error& error);

  // Outside of a transaction, and nothing keeps the session here: the connection may go on to
  // somebody else.
  bool may_leave() const;
  // Something of ours is to be asked first: `out` is to be empty.
  bool has_own_request() const;
  void append_own_request(Pieces& out);
  Pins pins() const { return pins_; }
  // New sessions may begin with other settings than those before, from what this one has run.
  bool take_defaults_changed() { return std::exchange(defaults_changed_, false); }
  // What the session has left on the connection cannot be taken away again.
  bool has_spoilt() const { return pins_.has_any_of(kSpoilingPins); }

  // The client is gone: ends what it has begun, so that the connection may be kept. To be asked
  // again when all is answered, until it is `done`.
  enum class Cleaning : uint8_t { under_way, done, useless };
  Cleaning clean_up(Pieces& out);
  // What runs for a client that is gone may as well be cancelled.
  bool runs_only_reads() const { return only_reads_; }

  bool in_transaction() const { return in_block_ || unit_open_; }
  bool exchange_open() const { return server_ != nullptr && !server_->queue.empty(); }
  bool client_message_open() const { return reader_.in_body(); }
  // An error of our own may be put in here.
  bool client_stream_at_boundary() const {
    return server_ == nullptr || server_->scanner.body_left() == 0;
  }
  bool server_said_fatal() const { return tally_.server_said_fatal(); }
  const Error& violation() const { return *violation_; }
  // Nothing is under way: what is to be kept is the client's own. To be asked after everything is
  // written.
  bool rests() const;
  // Gives back memory, when the connection is given back and everything is written.
  void trim();

 private:
  static constexpr Pins kSpoilingPins{Pin::random_seed, Pin::long_statement};

  // `ServerStatements::name_of(kNone)`: no statement is ever called so.
  static constexpr std::string_view kNoStatement = "trunkline_0";
  // Of the messages that are gathered.
  static constexpr uint32_t kGatheredBytesMax = 64 * 1024;

  enum class Fate : uint8_t { pass, swallow, replace };

  // pooled_requests.cc
  Verdict on_front(std::string_view& input, Instant now, Pieces& out);
  Verdict gate() const;
  void begin_unit(Instant now, Pieces& out);
  void ask(wire::Request request, uint8_t flags = wire::ResponseQueue::kForward);
  void pass(std::string_view& input, Pieces& out);
  void skip(std::string_view& input);
  void pass_renamed(std::string_view& input, std::string_view names, size_t names_before,
                    Pieces& out);
  std::string_view keep(std::string bytes);
  std::string_view scratch(std::string_view bytes);
  Verdict on_query(std::string_view& input, Pieces& out);
  Verdict on_sync(std::string_view& input, Instant now, Pieces& out);
  Verdict on_copy(std::string_view& input, Pieces& out);
  Verdict on_refused(char message, std::string_view& input);
  Verdict refuse(Error error);

  // pooled_extended.cc
  Verdict on_parse(std::string_view& input, Pieces& out);
  Verdict on_bind(std::string_view& input, Pieces& out);
  Verdict on_describe(std::string_view& input, Pieces& out);
  Verdict on_close(std::string_view& input, Pieces& out);
  Verdict on_execute(std::string_view& input, Pieces& out);
  bool is_failed() const;
  bool is_prepared(std::string_view name, const pool::Statement& statement);
  Verdict fail_aborted(std::string_view& input, Pieces& out);
  Verdict fail_without(std::string_view name, std::string_view& input, Pieces& out);

  // pooled_statements.cc
  pool::StatementPtr statement_named(std::string_view name) const;
  std::string server_name(const pool::StatementPtr& statement, Pieces& out);
  uint64_t ddl_epoch() const;
  std::string add_to_server(const pool::StatementPtr& statement, Pieces& out);
  void prepare_again(const pool::StatementPtr& statement, std::string_view name, Pieces& out);
  void let_fail(std::string_view sqlstate, const std::string& message, Pieces& out);
  void on_change_confirmed();
  void undo_changes(wire::Request failed);
  void note_sent(const sql::TextFacts& facts);
  void note_statement(const sql::Statement& statement);

  // pooled_answers.cc
  Fate on_answer(char type, std::string_view body);
  void on_broken_message(const wire::Piece& piece, Pieces& out);
  void on_more(const wire::Piece& piece, Pieces& out);
  void end_gathering(Pieces& out);
  bool must_be_whole(wire::Header header) const;
  std::string_view keep_answer();
  bool is_due() const;
  // After a Sync or Query nothing more is sent before its ReadyForQuery.
  bool awaiting() const { return server_ != nullptr && server_->queue.awaits_ready_last(); }
  Fate on_parameter_status(std::string_view body);
  std::string news();
  void learn_reported();
  void on_completed(std::string_view tag);
  void forget_running();
  void end_running();
  void note_ddl();
  Fate on_error(wire::ResponseQueue::Entry entry, std::string_view body);
  bool tells_our_names(std::string_view body);
  Fate on_ready(wire::TransactionStatus status);
  void take_due(Pieces& out);

  // pooled_own.cc
  void on_own_answer(char message, const wire::ResponseQueue::Attribution& answer);
  void on_probed(const std::vector<std::string_view>& row);

  PooledClient& client_;
  const PooledClient::Identity& identity_;
  RelayTally tally_;
  StatementCache& cache_;
  FrontReader reader_;
  pool::Connection* server_ = nullptr;

  // Of `client_`.
  SessionSettings& settings_;
  pool::ReportedPtr& told_;
  ClientStatements& statements_;
  pool::StatementPtr& unnamed_;
  Pins& pins_;
  sql::Syntax& syntax_;

  // Of the requests that are not answered yet.
  bool wants_ready_ = false;  // a Query was sent that is not answered yet
  bool unit_open_ = false;
  bool flushed_ = false;  // the server was asked for its answers, and has given none yet
  bool passing_ = true;   // the body of the message at hand goes on
  bool in_block_ = false;
  bool only_reads_ = true;
  bool guard_failed_ = false;
  bool defaults_changed_ = false;
  bool ddl_open_ = false;  // not committed yet
  bool wants_sync_ = false;
  bool probing_ = false;
  bool probed_ = false;   // it has answered
  pool::Settings found_;  // by the probe
  bool suspected_ = false;
  bool answers_blocked_ = false;
  uint32_t syncs_owed_ = 0;
  bool to_be_told_ = false;  // of settings that the server reports
  bool refusing_ = false;    // what the client sends, up to its next Sync or Query
  std::string refusal_;
  Instant now_{};
  std::vector<Change>& changes_;
  size_t changes_done_ = 0;
  std::vector<std::shared_ptr<const sql::TextFacts>>& running_;
  size_t running_done_ = 0;
  size_t statement_ = 0;  // of the first of `running_`
  std::vector<Portal>& portals_;
  pool::StatementPtr unnamed_portal_;

  // Of this turn.
  std::span<char> scratch_;
  std::list<std::string> kept_;
  std::string replacement_;          // in place of what the server says
  std::list<std::string> given_;     // what was given out and may not be written yet
  std::vector<std::string>& named_;  // the client's names of what goes under names of ours
  size_t named_done_ = 0;
  std::list<std::string> mistakes_;  // what the client is told of those sent as `let_fail` does
  char gathered_type_ = 0;
  std::string gathered_;  // a message that comes in pieces
  bool swallowing_body_ = false;
  std::unique_ptr<Error> violation_;
};

}  // namespace trunkline::session
