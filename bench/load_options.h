#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/load_client.h"

namespace trunkline::bench {

// login: each client one login after the other; storm: one each, all at once; idle: log in, ask
// once, then wait for a line on standard input.
enum class Mode : uint8_t { simple, extended, prepared, pipeline, bulk, login, storm, idle };

struct Options {
  Target target;
  Mode mode = Mode::simple;
  int clients = 64;
  int depth = 16;
  int rows = 16384;
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
