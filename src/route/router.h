#pragma once

#include "io/task.h"
#include "route/decision.h"
#include "route/facts.h"

namespace trunkline::route {

// Where a client goes: facts in, a decision out. The table of the configuration answers at once; a
// look-up elsewhere may take its time, within the client's login_timeout. Called on the worker of
// the session, which keeps the router and what the facts point to until it has its answer.
class Router {
 public:
  virtual ~Router() = default;
  virtual io::Task<Decision> route(Facts facts) const = 0;
};

}  // namespace trunkline::route
