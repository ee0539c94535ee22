#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "wire/protocol.h"

namespace trunkline::sim {

// What a PostgreSQL session answers, as a pure machine. The fake server runs one for each
// connection and each client runs its own copy, fed with the same messages, to know what it must
// receive: every answer carries the session's name and the number of the statement, so no byte of
// another session, and none lost, doubled or moved, can pass for it.
//
// Its statements, as text of Query and Parse:
//   rows N BYTES   N rows            insert N      a tag with a count
//   error          an error          notice        a notice before the tag
//   begin commit rollback            (nothing)     EmptyQueryResponse
//   copyin         COPY FROM STDIN   copyfail N    the same, refused after N CopyData
//   copyout N      COPY TO STDOUT
//   endless        rows until it is cancelled      sleep   nothing until it is cancelled
//   die N          N rows, half a row, and the connection is lost
//   fatal          FATAL, as by pg_terminate_backend
class PostgresModel {
 public:
  explicit PostgresModel(std::string name) : name_(std::move(name)) {}

  // A whole message of the client. Nothing is answered while a statement runs.
  void on_message(char type, std::string_view body);
  // The next rows of `endless`.
  void go_on();
  // What runs is cancelled; nothing happens when nothing does.
  void cancel();

  // Whole messages (but for the last of `die`), in order; the caller takes them.
  std::deque<std::string> out;

  bool runs() const { return runs_ != Runs::nothing; }
  bool runs_endless() const { return runs_ == Runs::endless; }
  // The session is over once `out` is sent: by Terminate, by FATAL, or without a word.
  bool ended() const { return ended_; }
  bool died() const { return died_; }
  wire::TransactionStatus status() const { return status_; }

 private:
  enum class Runs : uint8_t { nothing, endless, sleep };
  struct Message {
    char type;
    std::string body;
  };

  void answer(const Message& message);
  void answer_in_copy(const Message& message);
  void answer_extended(const Message& message);
  void execute(const std::string& sql, bool simple);
  bool execute_special(const std::string& verb, uint64_t count);
  void finish(const std::string& tag);
  void end_statement();
  void fail(std::string_view severity, std::string_view sqlstate, std::string_view text);
  void ready();
  void emit(char type, std::string_view body = {});
  void emit_row_description();
  void emit_row(uint64_t row, uint64_t bytes);
  void serve_waiting();

  const std::string name_;
  std::deque<Message> waiting_;
  std::map<std::string, std::string> prepared_;
  std::string portal_;
  uint64_t statement_ = 0;
  uint64_t endless_row_ = 0;
  Runs runs_ = Runs::nothing;
  bool simple_ = false;    // the statement at work came by Query
  bool skipping_ = false;  // to Sync, after an error
  bool copying_ = false;
  uint64_t copied_ = 0;
  uint64_t copy_fails_after_ = UINT64_MAX;
  bool ended_ = false;
  bool died_ = false;
  wire::TransactionStatus status_ = wire::TransactionStatus::idle;
};

}  // namespace trunkline::sim
