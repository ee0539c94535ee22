#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "config/model.h"
#include "session/environment.h"

namespace trunkline::app {

// Why a configuration cannot serve, and what is doubtful in one that can.
struct Problems {
  std::vector<config::Problem> errors;
  std::vector<config::Problem> warnings;
};

// Compiles a configuration: each module its own part, all of their complaints together. Reads
// certificate files, touches no network. What `previous` has and the reload does not change is
// kept. null when there are errors. Any thread.
std::shared_ptr<const session::Snapshot> compile(const config::Config& config,
                                                 const session::Snapshot* previous,
                                                 Problems& problems);

struct Loaded {
  config::Config config = {};
  std::shared_ptr<const session::Snapshot> snapshot = nullptr;  // null when there are errors
  Problems problems = {};
};

// Reads the file and compiles it. What the loader and the modules have to complain of comes
// together, in the order of the file. Blocking; not for a worker's thread.
Loaded load(const std::string& file, const session::Snapshot* previous);

// "0.0.0.0:6432", "/run/trunkline/.s.PGSQL.6432"
std::string listener_name(const config::Listen& listen);

}  // namespace trunkline::app
