#include "session/ended_by.h"
#include "session/pooled_machine.h"
#include "wire/messages.h"

// What a server has not begun with is asked of another one: it is being ended, or has answered that
// it does not know what it should.
namespace trunkline::session {

using sql::StatementKind;

namespace {

// Nothing of them is left when they are ended before they have said that they are done. Others
// commit on the way (CALL, DO, VACUUM), or take what the client sends only once (COPY).
constexpr sql::KindSet kRestarted = {
    StatementKind::empty,  StatementKind::select,   StatementKind::values,  StatementKind::with,
    StatementKind::insert, StatementKind::update,   StatementKind::delete_, StatementKind::merge,
    StatementKind::show,   StatementKind::explain,  StatementKind::lock,    StatementKind::begin,
    StatementKind::set,    StatementKind::set_role, StatementKind::declare, StatementKind::execute,
    StatementKind::listen};

}  // namespace

void PooledMachine::note_restart(const sql::TextFacts& facts) {
  may_restart_ =
      may_restart_ && facts.kinds().is_within(kRestarted) && !facts.has(sql::Suspicion::dblink);
}

// Whatever else it says first, the client hears it.
bool PooledMachine::ends_before_it_begins(char message, std::string_view body,
                                          wire::ResponseQueue::Entry entry) {
  if (!std::exchange(may_restart_, false) || message != wire::server_message::kErrorResponse) {
    return false;
  }
  // See `describe_known`: from here on nobody takes an older one for new.
  if (entry.swallow() && entry.request == wire::Request::describe) {
    note_ddl();
    return wants_restart_ = true;
  }
  wire::ErrorFields fields(body);
  wants_restart_ =
      ends_idle_session(fields.sqlstate()) && fields.severity() == wire::Severity::fatal;
  return wants_restart_;
}

void PooledMachine::restart() {
  server_->spoilt = true;
  changes_done_ = 0;
  undo_changes(wire::Request::sync);
  forget_running();
  if (notifications_ != nullptr) notifications_->on_error(false);
  unnamed_ = std::move(unnamed_before_);
  unnamed_portal_ = {};
  portals_.clear();
  named_.clear();
  mistakes_.clear();
  named_done_ = 0;
  pins_ = {};
  suspected_ = unit_open_ = wants_restart_ = false;
  wants_ready_ = wants_sync_ = flushed_ = barrier_ = guard_failed_ = false;
  has_snapshot_ = false;
  passing_ = true;
  is_admitted_ = query_limit_ != nullptr;
  reader_ = FrontReader();
}

}  // namespace trunkline::session
