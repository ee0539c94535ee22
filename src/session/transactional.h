#pragma once

#include <algorithm>
#include <iterator>
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
  explicit Transactional(State state = {}) : committed_(std::move(state)), current_(committed_) {}

  // That of other sessions' eyes.
  const State& committed() const { return committed_; }
  // What it will be if the transaction that is open commits.
  const State& current() const { return current_; }
  State& current() { return current_; }
  // Whatever transactions do.
  void reset(State state) {
    committed_ = current_ = std::move(state);
    savepoints_.clear();
  }

  // Of statements that act on the transaction; others are not its concern. `tag` is what the server
  // said.
  void on_completed(const sql::Statement& statement, std::string_view tag) {
    using Kind = sql::StatementKind;
    switch (statement.kind) {
      case Kind::savepoint:
        savepoints_.push_back({statement.name.text, current_});
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
  void commit() {
    committed_ = current_;
    savepoints_.clear();
  }
  void roll_back() {
    current_ = committed_;
    savepoints_.clear();
  }

 private:
  struct Savepoint {
    std::string name;
    State state;
  };

  // The last of that name counts; it stays, those made after it are gone. One that is not known was
  // made before anything was changed.
  void roll_back_to(std::string_view name) {
    auto found = find(name);
    if (found == savepoints_.rend()) return roll_back();
    current_ = found->state;
    savepoints_.erase(found.base(), savepoints_.end());
  }
  void release(std::string_view name) {
    auto found = find(name);
    auto first = found == savepoints_.rend() ? savepoints_.begin() : std::prev(found.base());
    savepoints_.erase(first, savepoints_.end());
  }
  auto find(std::string_view name) {
    return std::ranges::find(savepoints_.rbegin(), savepoints_.rend(), name, &Savepoint::name);
  }

  State committed_;
  State current_;
  std::vector<Savepoint> savepoints_;
};

}  // namespace trunkline::session
