#include "session/login_counts.h"

#include <utility>

#include "session/session.h"

namespace trunkline::session {

namespace {

// Not made from what a client says.
bool is_configured(const route::Decision& decision, const upstream::Set& upstreams) {
  if (upstreams.of_route(decision.route->index) == decision.upstream) return true;
  auto named = upstreams.named().find(decision.upstream->name());
  return named != upstreams.named().end() && named->second == decision.upstream;
}

}  // namespace

// Strangers must not be able to fill the metrics with host names that they invent: an upstream that
// is made from their words has counters when they have proven who they are, or a server was there.
void Session::attribute_login(const route::Decision& decision, bool proven) {
  if (decision.kind != route::Decision::Kind::forward) return;
  if (!proven && !is_configured(decision, *snapshot_->upstreams)) return;
  login_counts_->route = decision.route;
  login_counts_->upstream = decision.upstream;
}

// Once: before the client reads the end of its login, whichever that is.
void Session::count_login() {
  std::unique_ptr<LoginCounts> counts = std::move(login_counts_);
  if (!counts || !counts->route) return;
  auto group = environment_.process.metrics.group(policy::kPostgresStats,
                                                  {counts->route->name, counts->upstream->name()});
  policy::PostgresStats(group->cells(environment_.worker))
      .on_login(counts->client_messages, counts->from_servers);
}

}  // namespace trunkline::session
