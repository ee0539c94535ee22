#include "session/session_channels.h"

#include <algorithm>
#include <iterator>

namespace trunkline::session {

void SessionChannels::on_completed(const sql::Statement& statement, std::string_view tag) {
  using Kind = sql::StatementKind;
  switch (statement.kind) {
    case Kind::listen:
      current_.insert(statement.name.text);
      break;
    case Kind::unlisten:
      current_.erase(statement.name.text);
      break;
    case Kind::unlisten_all:
    case Kind::discard_all:
      current_.clear();
      break;
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
      end_transaction(tag != "ROLLBACK");
      break;
    default:
      break;
  }
}

// The last of that name counts; it stays, those made after it are gone.
void SessionChannels::roll_back_to(std::string_view name) {
  auto found = std::ranges::find(savepoints_.rbegin(), savepoints_.rend(), name, &Savepoint::name);
  if (found == savepoints_.rend()) {
    current_ = committed_;
    savepoints_.clear();
    return;
  }
  current_ = found->channels;
  savepoints_.erase(found.base(), savepoints_.end());
}

void SessionChannels::release(std::string_view name) {
  auto found = std::ranges::find(savepoints_.rbegin(), savepoints_.rend(), name, &Savepoint::name);
  auto first = found == savepoints_.rend() ? savepoints_.begin() : std::prev(found.base());
  savepoints_.erase(first, savepoints_.end());
}

void SessionChannels::end_transaction(bool committed) {
  if (committed) {
    committed_ = current_;
  } else {
    current_ = committed_;
  }
  savepoints_.clear();
}

}  // namespace trunkline::session
