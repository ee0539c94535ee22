#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sql/statement.h"

namespace trunkline::session {

// The channels a session listens to, as PostgreSQL keeps them: LISTEN and UNLISTEN count from their
// commit on, and are undone with the transaction or savepoint they were in. Follows the statements
// that the server has completed, and its errors. Plain data of the session; one thread.
class SessionChannels {
 public:
  using Names = std::set<std::string, std::less<>>;

  // Those whose notifications the client gets.
  const Names& committed() const { return committed_; }
  // Those it will have if the transaction that is open commits.
  const Names& current() const { return current_; }

  // The server has completed a statement that was like this; `tag` is what it said.
  void on_completed(const sql::Statement& statement, std::string_view tag);
  // An error outside of a transaction block has undone what ran since the last commit.
  void on_error(bool in_block) {
    if (!in_block) end_transaction(false);
  }
  // ReadyForQuery outside of a transaction.
  void on_idle() { end_transaction(true); }

 private:
  struct Savepoint {
    std::string name;
    Names channels;
  };

  void roll_back_to(std::string_view name);
  void release(std::string_view name);
  void end_transaction(bool committed);

  Names committed_;
  Names current_;
  // Made since the session listens for the first time; older ones of the same transaction are not
  // known, and held no channel more than `committed_`.
  std::vector<Savepoint> savepoints_;
};

}  // namespace trunkline::session
