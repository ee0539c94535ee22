#pragma once

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sql/statement.h"

namespace trunkline::session {

// A value of the session that is undone with the transaction or savepoint it was changed in, as
// PostgreSQL keeps settings and channels. Follows the statements that the server has completed, and
// its errors. Plain data; one thread.
template <typename State>
class Transactional {
 public:
  explicit Transactional(State state = {}) : current_(std::move(state)) {}

  // That of other sessions' eyes.
  const State& committed() const { return open_ ? open_->committed : current_; }
  // What it will be if the transaction that is open commits.
  const State& current() const { return current_; }
  State& change() {
    keep();
    return current_;
  }
  // Whatever transactions do.
  void reset(State state) {
    current_ = std::move(state);
    open_.reset();
  }

  // Of statements that act on the transaction; others are not its concern. `tag` is what the server
  // said.
  void on_completed(const sql::Statement& statement, std::string_view tag) {
    using Kind = sql::StatementKind;
    switch (statement.kind) {
      case Kind::savepoint:
        keep();
        open_->savepoints.push_back({statement.name.text, current_});
        break;
      case Kind::release:
        release(statement.name.text);
        break;
      case Kind::rollback_to:
        roll_back_to(statement.name.text);
        break;
      case Kind::commit:
      case Kind::rollback:
      case Kind::prepare_transaction:
        // COMMIT of a failed transaction is answered with the tag ROLLBACK.
        tag == "ROLLBACK" ? roll_back() : commit();
        break;
      default:
        break;
    }
  }
  void commit() { open_.reset(); }
  void roll_back() {
    if (open_) current_ = std::move(open_->committed);
    open_.reset();
  }

 private:
  struct Savepoint {
    std::string name;
    State state;
  };
  // What there is to go back to.
  struct Open {
    State committed;
    std::vector<Savepoint> savepoints = {};
  };

  void keep() {
    if (!open_) open_ = std::make_unique<Open>(current_);
  }
  // The last of that name counts; it stays, those made after it are gone. One that is not known was
  // made before anything was changed.
  void roll_back_to(std::string_view name) {
    if (!open_) return;
    std::vector<Savepoint>& savepoints = open_->savepoints;
    auto found = find(name);
    if (found == savepoints.rend()) return roll_back();
    current_ = found->state;
    savepoints.erase(found.base(), savepoints.end());
  }
  void release(std::string_view name) {
    if (!open_) return;
    std::vector<Savepoint>& savepoints = open_->savepoints;
    auto found = find(name);
    auto first = found == savepoints.rend() ? savepoints.begin() : std::prev(found.base());
    savepoints.erase(first, savepoints.end());
  }
  auto find(std::string_view name) {
    std::vector<Savepoint>& savepoints = open_->savepoints;
    return std::ranges::find(savepoints.rbegin(), savepoints.rend(), name, &Savepoint::name);
  }

  State current_;
  std::unique_ptr<Open> open_;  // from the first change of a transaction to its end
};

}  // namespace trunkline::session
