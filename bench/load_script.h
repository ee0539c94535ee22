#pragma once

#include <string>
#include <vector>

#include "bench/load_options.h"

namespace trunkline::bench {

// What is sent in one piece, and how many ReadyForQuery answer it. The next step waits for them.
struct Step {
  std::string bytes;
  int replies = 1;
};
using Steps = std::vector<Step>;

// What a client does.
struct Script {
  Steps prologue;    // once after each login; without it the request
  Steps request;     // each time
  int requests = 1;  // that one run of it counts as
};

// One for all clients, or one each when every client has settings of its own.
std::vector<Script> make_scripts(const Options& options);

// Prepares so many statements, whose texts are the same for every client.
Steps preparation(int statements);

}  // namespace trunkline::bench
