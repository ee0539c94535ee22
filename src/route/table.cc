#include "route/table.h"

#include <fmt/format.h>
#include <utility>

#include "base/text.h"
#include "route/explain.h"

namespace trunkline::route {

namespace {

Decision refuse(const Entry& entry, std::string_view sqlstate, std::string text, std::string why) {
  return {.kind = Decision::Kind::reject,
          .route = entry.route,
          .sqlstate = sqlstate,
          .text = std::move(text),
          .why = fmt::format("{}: {}", entry.route->name, why)};
}

// The text does not say which of its names the client should change: that is the operator's
// business, and stands in the log.
Decision refuse_name(const Entry& entry, std::string why) {
  return refuse(entry, sqlstate::kInvalidCatalogName, "the names given do not lead to a database",
                std::move(why));
}

// The hosts, or why a capture cannot stand in one.
std::expected<std::vector<std::string>, std::string> expand_hosts(const Entry& entry,
                                                                  const Captures& captures) {
  std::vector<std::string> hosts;
  for (const Rewrite& rewrite : entry.hosts) {
    for (size_t number : rewrite.captures_used()) {
      if (!usable_in_host(captures[number])) {
        return std::unexpected(
            fmt::format("${} is \"{}\", which cannot be part of a host: 1 to 63 letters, digits "
                        "and hyphens can",
                        number, printable(captures[number])));
      }
    }
    hosts.push_back(rewrite.expand(captures));
    if (!usable_as_host(hosts.back())) {
      return std::unexpected(fmt::format("\"{}\" is not a usable host", printable(hosts.back())));
    }
  }
  return hosts;
}

}  // namespace

std::optional<Key> missing_fact(const Entry& entry, const Facts& facts) {
  if (entry.database && !facts.database) return Key::database;
  if (entry.route->login && !facts.user) return Key::user;
  return std::nullopt;
}

Decision RouteTable::decide(const Facts& facts) const {
  Subject subject(facts);
  Captures captures;
  for (const Entry& entry : entries_) {
    if (entry.matcher.mismatch(subject, captures) || missing_fact(entry, facts)) continue;
    return follow(entry, captures);
  }
  Decision none;
  none.sqlstate = sqlstate::kInvalidCatalogName;
  // The words of PostgreSQL's postinit.c, which drivers and people know.
  none.text = fmt::format("database \"{}\" does not exist", facts.database.value_or(""));
  none.why = fmt::format("none of {} routes matches {}", entries_.size(), looked_at(facts));
  return none;
}

Decision RouteTable::follow(const Entry& entry, const Captures& captures) const {
  if (entry.reject) {
    return refuse(entry, sqlstate::kInvalidCatalogName, *entry.reject, "rejects");
  }
  Decision decision{.kind = Decision::Kind::forward, .route = entry.route};
  if (entry.database) {
    decision.database = entry.database->expand(captures);
    if (decision.database->empty() || decision.database->size() > kNameBytesMax) {
      return refuse_name(entry, fmt::format("the database becomes \"{}\", which has {} bytes, not "
                                            "1 to {}",
                                            printable(*decision.database),
                                            decision.database->size(), kNameBytesMax));
    }
  }
  if (entry.route->login) decision.user = entry.route->login->user;

  decision.upstream = entry.upstream;
  if (entry.hosts.empty()) return decision;
  auto hosts = expand_hosts(entry, captures);
  if (!hosts) return refuse_name(entry, std::move(hosts.error()));
  auto upstream = set_->fill_in(entry.upstream, *hosts);
  if (!upstream) {
    return refuse(entry, upstream.error().sqlstate, upstream.error().message,
                  upstream.error().message + "; " + upstream.error().hint);
  }
  decision.upstream = std::move(*upstream);
  return decision;
}

}  // namespace trunkline::route
