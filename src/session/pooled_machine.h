#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "observe/metrics.h"
#include "pool/connection.h"
#include "session/front_reader.h"
#include "session/long_text.h"
#include "session/outbox.h"
#include "session/pooled_client.h"
#include "session/query_limit.h"
#include "session/relay_tally.h"
#include "session/rewriting.h"
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
    too_soon,     // the next message waits for its turn: `QueryLimit`
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
    pool::StatementPtr statement;               // the client's
    std::shared_ptr<Rewriting> rewriting = {};  // of its text
    // What its text is about with these parameters; null: what the statement's is.
    std::shared_ptr<const sql::TextFacts> facts = {};
  };
  // A text that runs, or will.
  struct Running {
    std::shared_ptr<const sql::TextFacts> facts = {};
    std::shared_ptr<Rewriting> rewriting = {};
  };
  // Memory that the next machine uses again.
  struct Buffers {
    std::vector<Change> changes = {};
    std::vector<Running> running = {};
    std::vector<Portal> portals = {};
    std::vector<std::string> named = {};
  };

  PooledMachine(PooledClient& client, const PooledClient::Identity& identity, Buffers& buffers,
                RelayCounters counters, RelayEvents* events, StatementCache& cache);
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
    return answers_blocked_ || syncs_owed_ > 0 || !refusal_.empty() || is_due() ||
           has_notifications();
  }
  // The server has ended the session before it began with anything of the unit at hand, or does not
  // know what it was taken to know, and the client knows nothing of that: what was sent of the unit
  // may be asked again elsewhere.
  bool wants_restart() const { return wants_restart_; }
  // Whether what the client sends now is to be kept for that, and whether a unit begins with it.
  bool may_restart() const { return wants_restart_ || (unit_open_ ? may_restart_ : !in_block_); }
  bool between_units() const { return !unit_open_ && reader_.at_boundary(); }
  void forbid_restart() { may_restart_ = false; }
  // As before the unit; the connection is useless.
  void restart();
  // Nothing of the session is on the connection, which it only tidies up before it leaves: should
  // the server end it now, the client need not know.
  bool may_lose_server() const {
    return !unit_open_ && !in_block_ && pins_.none() && !suspected_ && !probing_ &&
           !tally_.server_said_fatal();
  }
  // Instead of going to a server, what the client asks next is answered with this error, up to its
  // ReadyForQuery.
  void refuse_next(const Error& error);

  // Null: as many queries as the client likes. Outlives its use.
  void set_query_limit(QueryLimit* limit) { query_limit_ = limit; }

  // Those of another pool from here on; nothing is pinned.
  void move_to(pool::PinPlaces& places, observe::Cell* cells, uint64_t generation) {
    client_.generation = generation;
    identity_.pin_places = &places;
    identity_.pool_cells = cells;
  }

  // Outside of a transaction, and nothing keeps the session here: the connection may go on to
  // somebody else.
  bool may_leave() const;
  // Something of ours is to be asked first: `out` is to be empty.
  bool has_own_request() const;
  void append_own_request(Pieces& out);
  Pins pins() const { return pins_; }
  // At the end of the session: it is pinned no longer.
  void forget_pins();
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

  // The request at hand has taken too long and is being cancelled: the client is told so.
  void note_timed_out() { timed_out_ = true; }
  Instant exchange_started() const { return tally_.exchange_started(); }
  Instant transaction_started() const { return tally_.transaction_started(); }

  bool in_transaction() const { return in_block_ || unit_open_; }
  bool unit_open() const { return unit_open_; }
  bool exchange_open() const {
    return (server_ != nullptr && !server_->queue.empty()) || !held_ready_.empty();
  }
  bool client_message_open() const { return reader_.in_body(); }
  // An error of our own may be put in here.
  bool client_stream_at_boundary() const {
    return server_ == nullptr || server_->scanner.body_left() == 0;
  }
  bool server_said_fatal() const { return tally_.server_said_fatal(); }
  const Error& violation() const { return *violation_; }
  // Nothing is under way: all that is to be kept is the client's own. To be asked after everything
  // is written.
  bool rests() const;
  // Gives back memory, when the connection is given back and everything is written.
  void trim();

 private:
  static constexpr Pins kSpoilingPins{Pin::random_seed, Pin::long_statement, Pin::process_state};

  // `ServerStatements::name_of(kNone)`: no statement is ever called so.
  static constexpr std::string_view kNoStatement = "trunkline_0";
  // Of the messages that are gathered.
  static constexpr uint32_t kGatheredBytesMax = 64 * 1024;

  enum class Fate : uint8_t { pass, swallow, replace };

  // pooled_requests.cc
  Verdict on_front(std::string_view& input, Instant now, Pieces& out);
  Verdict gate() const;
  void begin_unit(Instant now, Pieces& out);
  void keep_defaults();
  void ask(wire::Request request, uint8_t flags = wire::ResponseQueue::kForward);
  void take(std::string_view& input);
  void pass(std::string_view& input, Pieces& out);
  void skip(std::string_view& input);
  void pass_renamed(std::string_view& input, std::string_view names, size_t names_before,
                    Pieces& out);
  void pass_text(std::string_view& input, std::string_view text, Pieces& out);
  std::string_view keep(std::string bytes);
  std::string_view scratch(std::string_view bytes);
  Verdict on_query(std::string_view& input, Pieces& out);
  void begin_long_text(std::string_view text, std::shared_ptr<pool::Statement> statement);
  void on_body(std::string_view bytes);
  void end_long_text();
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
  Portal* portal_named(std::string_view name);
  bool is_failed() const;
  bool awaits_long_unnamed() const;
  bool is_prepared(std::string_view name, const pool::Statement& statement);

  // pooled_pins.cc
  Pins foreseen_pins(const sql::TextFacts& facts) const;
  bool may_pin(const sql::TextFacts& facts) const;
  bool moves_awaited_sequence(sql::Suspicions suspicions) const;
  void note_sequences(const sql::TextFacts& facts, sql::Suspicions suspicions);
  void on_sequences_discarded();
  void note_cause(const sql::TextFacts& facts);
  std::optional<Error> refusal_of_state(Pins wanted) const;
  std::optional<Error> refusal_of_place(Pins wanted);
  void count_pins();
  void count(size_t cell) const {
    if (identity_.pool_cells != nullptr) identity_.pool_cells[cell].add();
  }

  // pooled_policy.cc
  std::optional<Verdict> limit_queries(char message, std::string_view& input, Instant now,
                                       Pieces& out);
  std::optional<Error> refusal_to_parse(const sql::TextFacts& facts) const;
  std::optional<Error> refusal_to_run(const sql::TextFacts& facts);
  std::optional<Error> refusal_of_long_text();
  Verdict refuse_query(const Error& error, std::string_view& input, Pieces& out);
  Verdict refuse_parse(const Error& error, std::string_view& input, Pieces& out);
  Verdict refuse_execute(const Error& error, std::string_view& input, Pieces& out);
  void refuse_open_block(wire::TransactionStatus status);

  // pooled_statements.cc
  pool::StatementPtr statement_named(std::string_view name) const;
  bool is_decided_now(const sql::TextFacts& facts) const;
  void note_meaning(const sql::TextFacts& facts);
  std::string server_name(const pool::StatementPtr& statement, Pieces& out);
  uint64_t ddl_epoch() const;
  std::string add_to_server(const pool::StatementPtr& statement, Pieces& out);
  void close_evicted(Pieces& out);
  void prepare_again(const pool::StatementPtr& statement, std::string_view name, Pieces& out);
  void prepare_now(const pool::StatementPtr& statement, std::string_view name, Pieces& out);
  void describe_known(pool::ServerStatements::Number number, Pieces& out);
  void take_snapshot(const sql::TextFacts& facts, Pieces& out);
  void note_snapshot(const sql::TextFacts& facts, const Rewriting* rewriting);
  void on_change_confirmed();
  void undo_changes(wire::Request failed);
  void note_sent(const sql::TextFacts& facts, const Rewriting* rewriting = nullptr);
  void note_executed(const sql::TextFacts& facts);
  void note_long(const sql::TextFacts& facts);
  void note_statement(const sql::Statement& statement);
  bool leaves_nothing(const sql::TextFacts& facts);

  // pooled_rewriting.cc
  bool is_rewritten(const sql::TextFacts& facts) const;
  std::shared_ptr<Rewriting> rewrite(Rewriter::Of of, std::string_view text,
                                     const sql::TextFacts& facts, Pieces& out);
  pool::StatementPtr rewritten(const pool::StatementPtr& statement,
                               std::shared_ptr<Rewriting>& rewriting, Pieces& out);
  void execute_rewritten(Rewriting& rewriting, const sql::TextFacts& facts);
  void run_sql(std::string_view sql, const pool::StatementPtr& makes, Pieces& out);
  void append_run(std::string& messages, std::string_view sql, const pool::StatementPtr& makes);
  Rewriting* rewriting() const {
    return running_done_ < running_.size() ? running_[running_done_].rewriting.get() : nullptr;
  }
  bool completes_inserted();
  void on_step_completed();

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
  void on_completed(std::string_view tag);
  void forget_running();
  void end_running();
  void note_ddl();
  Fate on_ready(wire::TransactionStatus status);
  void take_due(Pieces& out);

  // pooled_reported.cc
  Fate on_parameter_status(std::string_view body);
  std::string news();
  void learn_reported();

  // pooled_adoption.cc
  bool wants_channels() const;
  void lay_channels_on(const sql::TextFacts& facts, Pieces& out);
  void adopt_channels();
  void end_mark();

  // pooled_listen.cc
  void make_notifications();
  bool may_send(const sql::TextFacts& facts);
  void note_listens(const sql::TextFacts& facts);
  void note_notifies();
  bool has_notifications() const;
  bool may_tell_notifications() const;
  void take_notifications(Pieces& out);
  Fate on_notification_response(std::string_view body);
  bool waits_for_listener() const;
  void end_listening_unit();

  // pooled_restart.cc
  void note_restart(const sql::TextFacts& facts);
  bool ends_before_it_begins(char message, std::string_view body, wire::ResponseQueue::Entry entry);

  // pooled_errors.cc
  Fate on_error(wire::ResponseQueue::Entry entry, std::string_view body);
  bool reword(std::string_view body, const Rewriting* rewriting);
  std::string with_client_names(std::string_view text, const Rewriting* rewriting) const;
  std::optional<uint64_t> place_for_client(std::string_view place, const Rewriting& of) const;
  void let_fail(std::string_view sqlstate, const std::string& message, Pieces& out);
  void let_fail(std::string error_response, Pieces& out);
  Verdict fail_aborted(std::string_view& input, Pieces& out);
  Verdict fail_without(std::string_view name, std::string_view& input, Pieces& out);

  // pooled_client_names.cc
  bool sees_names(const sql::TextFacts& facts) const;
  void lay_names_on(const sql::TextFacts* facts, Pieces& out);
  void take_names_off();
  bool has_client_names() const { return names_ != Names::ours; }
  Verdict parse_as_is(std::string name, const pool::StatementPtr& statement,
                      std::string_view& input, Pieces& out);
  void add_names(std::string& probe) const;

  // pooled_ground.cc
  bool asks_first(char message);
  std::shared_ptr<const sql::TextFacts> facts_of_front(char message);
  bool asks_for_settings(const sql::TextFacts& facts);
  void end_question_of_settings(bool found);
  void note_made_up();
  void note_made_up(const sql::TextFacts& facts, sql::Suspicions suspicions);

  // pooled_own.cc
  std::string probe() const;
  void on_own_answer(char message, const wire::ResponseQueue::Attribution& answer);
  void on_probed(const std::vector<std::string_view>& row);
  bool fails_question(std::string_view error);
  void ask_for_names();
  void on_names_answer(const std::vector<std::string_view>& row);
  void forget_names_question();

  PooledClient& client_;
  PooledClient::Identity identity_;
  RelayTally tally_;
  StatementCache& cache_;
  FrontReader reader_;
  pool::Connection* server_ = nullptr;

  // Of `client_`.
  SessionSettings& settings_;
  pool::ReportedPtr& told_;
  ClientStatements& statements_;
  pool::StatementPtr& unnamed_;
  const sql::Syntax& syntax_;
  std::unique_ptr<Notifications>& notifications_;

  // Of the connection at hand.
  // Of prepared statements: `unsure` when an error has come while they were laid on.
  enum class Names : uint8_t { ours, clients, unsure } names_ = Names::ours;
  bool names_are_new_ = false;  // laid on in this unit
  bool long_unnamed_has_run_ = false;
  Pins pins_;
  bool settings_are_laid_ = false;  // onto it, since it was attached

  // Of the requests that are not answered yet.
  std::unique_ptr<LongText> long_text_;
  std::shared_ptr<const sql::TextFacts> front_facts_;  // of the Query at hand, if it was looked at
  bool wants_ready_ = false;                           // a Query was sent that is not answered yet
  bool unit_open_ = false;
  bool has_asked_ = false;    // something of the unit
  bool may_restart_ = false;  // the unit, see `wants_restart`
  bool wants_restart_ = false;
  pool::StatementPtr unnamed_before_;  // the unit, while it may
  bool flushed_ = false;  // the server was asked for its answers, and has given none yet
  bool passing_ = true;   // the body of the message at hand goes on
  bool in_block_ = false;
  bool block_failed_ = false;  // by an error that nothing has taken back yet
  bool has_snapshot_ = false;  // the transaction, for certain
  bool only_reads_ = true;
  bool guard_failed_ = false;
  bool defaults_changed_ = false;
  bool ddl_open_ = false;                                   // not committed yet
  std::unique_ptr<pool::PlainNames::Change> names_change_;  // from when DDL is sent on
  bool wants_sync_ = false;
  bool wants_rollback_ = false;  // of a block that should not be
  bool timed_out_ = false;
  bool is_admitted_ = false;  // the query at hand, by `query_limit_`
  bool holds_place_ = false;  // of `pin_places`
  Pins counted_pins_ = {};
  sql::StatementKind pin_cause_ = sql::StatementKind::other;
  QueryLimit* query_limit_ = nullptr;
  bool probing_ = false;
  bool probed_ = false;   // it has answered
  pool::Settings found_;  // by the probe
  std::unique_ptr<pool::PlainNames::Question> names_question_;
  bool asking_names_ = false;  // it was sent
  // What the connection listens to, so that it may leave it.
  enum class Adopting : uint8_t { no, wanted, asking, marking } adopting_ = {};
  SessionChannels::Names found_channels_;
  bool suspected_ = false;
  std::string settings_question_;  // of what others may have made up on the connection
  enum class OfSettings : uint8_t { not_asked, asking, found, none } of_settings_ = {};
  bool answers_blocked_ = false;
  uint32_t syncs_owed_ = 0;
  bool may_notify_ = false;               // something of this transaction
  bool may_have_moved_sequence_ = false;  // likewise
  bool meaning_is_open_ = false;          // likewise; see `note_meaning`
  // Likewise: statements of before, and what they are on this connection until then.
  std::vector<std::pair<pool::StatementPtr, pool::StatementPtr>> apart_;
  bool lays_on_ = false;  // the client's channels onto its connection, before anything else
  bool laid_on_ = false;
  bool laid_for_code_ = false;  // which may end them
  bool to_be_told_ = false;     // of settings that the server reports
  bool refusing_ = false;       // what the client sends, up to its next Sync or Query
  std::string refusal_;
  std::string held_ready_;  // ReadyForQuery that waits for the listener
  Instant now_{};
  std::vector<Change>& changes_;
  size_t changes_done_ = 0;
  std::vector<Running>& running_;
  size_t running_done_ = 0;
  size_t statement_ = 0;  // of the first of `running_`
  std::vector<Portal>& portals_;
  Portal unnamed_portal_;
  // What was sent last changes what is kept here: the next request waits for its answer.
  bool barrier_ = false;

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

// What it may do when it runs: what it prepares runs later.
sql::Suspicions suspicions_of_run(const sql::TextFacts& facts);
// What keeps a session that runs this on its connection until it ends.
Pins certain_pins(const sql::TextFacts& facts);

}  // namespace trunkline::session
