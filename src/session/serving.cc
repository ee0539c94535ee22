#include "session/serving.h"

namespace trunkline::session {

Session::Serving::Serving(Session& of, const route::Decision& decision)
    : session(of), use(of.environment_.route_uses.get(decision)), stats(use->postgres_cells) {
  cells()[RouteCells::kActive].add();
}

Session::Serving::~Serving() {
  cells()[RouteCells::kActive].sub();
}

RelayEvents* Session::Serving::listener() {
  bool wanted = session.hooks_->wants(policy::HookEvent::command_complete) ||
                session.hooks_->wants(policy::HookEvent::transaction_end);
  return wanted ? this : nullptr;
}

RelayCounters Session::Serving::counters() {
  return {stats, cells(), session.environment_.metrics.requests()};
}

void Session::Serving::on_command_complete(policy::CommandKind command, std::string_view tag) {
  session.hooks_->command_complete({.id = session.id_, .client = session.route_facts()}, command,
                                   tag);
}

void Session::Serving::on_transaction_end(policy::TransactionsEnded ended) {
  session.hooks_->transaction_end({.id = session.id_, .client = session.route_facts()}, ended);
}

}  // namespace trunkline::session
