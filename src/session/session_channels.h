#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "session/transactional.h"
#include "sql/statement.h"

namespace trunkline::session {

// The channels a session listens to, as PostgreSQL keeps them: LISTEN and UNLISTEN count from their
// commit on, and are undone with the transaction or savepoint they were in. Made when the session
// listens for the first time: savepoints of before held no channel. Plain data of the session; one
// thread.
class SessionChannels {
 public:
  using Names = std::set<std::string, std::less<>>;

  // Those whose notifications the client gets.
  const Names& committed() const { return names_.committed(); }
  // Those it will have if the transaction that is open commits.
  const Names& current() const { return names_.current(); }

  // The server has completed a statement that was like this; `tag` is what it said.
  void on_completed(const sql::Statement& statement, std::string_view tag);
  // An error outside of a transaction block has undone what ran since the last commit.
  void on_error(bool in_block) {
    if (!in_block) names_.roll_back();
  }
  // As it turns out outside of a transaction.
  void reset(Names names) { names_.reset(std::move(names)); }
  // ReadyForQuery outside of a transaction.
  void on_idle() { names_.commit(); }

 private:
  Transactional<Names> names_;
};

}  // namespace trunkline::session
