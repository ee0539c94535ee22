#include "session/session_channels.h"

namespace trunkline::session {

void SessionChannels::on_completed(const sql::Statement& statement, std::string_view tag) {
  using Kind = sql::StatementKind;
  switch (statement.kind) {
    case Kind::listen:
      names_.change().insert(statement.name.text);
      break;
    case Kind::unlisten:
      names_.change().erase(statement.name.text);
      break;
    case Kind::unlisten_all:
    case Kind::discard_all:
      names_.change().clear();
      break;
    default:
      names_.on_completed(statement, tag);
      break;
  }
}

}  // namespace trunkline::session
