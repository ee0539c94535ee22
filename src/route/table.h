#pragma once

#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/model.h"
#include "route/decision.h"
#include "route/facts.h"
#include "route/matcher.h"
#include "route/rewrite.h"
#include "route/router.h"
#include "upstream/set.h"

namespace trunkline::route {

// PostgreSQL's NAMEDATALEN less one: the server would cut a longer name, and so open another
// database than the route means.
inline constexpr size_t kNameBytesMax = 63;

// One route, compiled; what `decide` and `explain` read.
struct Entry {
  std::shared_ptr<const Route> route;
  Matcher matcher;
  std::optional<std::string> reject;
  upstream::UpstreamPtr upstream;  // null when it rejects; a pattern when `hosts` is not empty
  std::vector<Rewrite> hosts;      // of an inline upstream with captures
  std::optional<Rewrite> database;

  // A route that changes names the client has not shown cannot be followed.
  bool rewrites() const { return database.has_value() || route->login.has_value(); }
};

// The routes of one configuration; the first that matches wins. Immutable, part of the snapshot;
// any thread.
class RouteTable final : public Router {
 public:
  using Outcome = std::expected<std::shared_ptr<const RouteTable>, std::vector<config::Problem>>;
  // `set` must come from the same configuration; null when that has failed, and only problems are
  // wanted. Problems are what only this module can see:
  // regular expressions and captures; the loader has checked how keys go together.
  static Outcome compile(const config::Config& config, std::shared_ptr<const upstream::Set> set);

  Decision decide(const Facts& facts) const;
  io::Task<Decision> route(Facts facts) const override { co_return decide(facts); }

  std::span<const Entry> entries() const { return entries_; }

 private:
  friend class TableCompiler;
  Decision follow(const Entry& entry, const Captures& captures) const;

  std::vector<Entry> entries_;
  std::shared_ptr<const upstream::Set> set_;
};

// Why an entry cannot be followed with these facts although its match would hold; nullopt: it can.
std::optional<Key> missing_fact(const Entry& entry, const Facts& facts);

}  // namespace trunkline::route
