#include "session/login_counts.h"

#include <string>
#include <utility>
#include <vector>

#include "session/serving.h"
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
  if (!proven && !is_configured(decision, *login_->snapshot->upstreams)) return;
  login_->counts->route = decision.route;
  login_->counts->upstream = decision.upstream;
}

// Once: when the last of it is about to go to the client.
void Session::count_login() {
  if (!login_) return;
  std::optional<LoginCounts> counts = std::exchange(login_->counts, std::nullopt);
  if (!counts || !counts->route) return;
  bool is_open = serving_ && serving_->use->route == counts->route &&
                 serving_->use->upstream == counts->upstream;
  if (is_open) {
    serving_->stats.on_login(counts->client_messages, counts->from_servers);
    serving_->cells()[RouteCells::kBytesFromClients].add(counts->bytes_from_client);
    serving_->cells()[RouteCells::kBytesToClients].add(counts->bytes_to_client);
    return;
  }
  std::vector<std::string> labels = {counts->route->name, counts->upstream->name()};
  auto postgres = environment_.process.metrics.group(policy::kPostgresStats, labels);
  policy::PostgresStats(postgres->cells(environment_.worker))
      .on_login(counts->client_messages, counts->from_servers);
  auto route = environment_.process.metrics.group(kRouteMetrics, labels);
  observe::Cell* cells = route->cells(environment_.worker);
  cells[RouteCells::kBytesFromClients].add(counts->bytes_from_client);
  cells[RouteCells::kBytesToClients].add(counts->bytes_to_client);
}

}  // namespace trunkline::session
