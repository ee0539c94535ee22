#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/load_client.h"

namespace trunkline::bench {

// login: each client one login after the other; storm: one each, all at once; idle: log in, ask
// once, then wait for a line on standard input; after "prepare" prepare statements, and wait again.
enum class Mode : uint8_t { simple, extended, prepared, pipeline, bulk, login, storm, idle };

// Whether each client has a work_mem of its own: set once, which a pooler must keep for it, or
// again in each transaction, as clients of one that does not.
enum class OwnSettings : uint8_t { none, session, transaction };

struct Options {
  Target target;
  Mode mode = Mode::simple;
  int clients = 64;
  int depth = 16;
  int rows = 16384;
  int statements = 20;
  OwnSettings own_settings = OwnSettings::none;
  double warm_up_s = 1;
  double seconds = 3;
  double rate = 0;
  int login_concurrency = 64;
  bool hold = false;
  std::string samples;
  std::vector<int> watch;
};

// Ends the process after --help and after mistakes.
Options read_options(int argc, char** argv);

}  // namespace trunkline::bench
