#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace trunkline::sim {

// What the parties of one simulation find out: what must not be, and what the statistics must add
// up to. A plain value; one for each run.
struct Journal {
  std::vector<std::string> problems;
  std::string history;  // what happened when, for comparing two runs of a seed

  // Counted by clients, and by servers what they say to a login.
  uint64_t sessions = 0;
  uint64_t messages_sent = 0;
  uint64_t messages_received = 0;
  uint64_t errors_received = 0;
  uint64_t notices_received = 0;
  uint64_t statements_completed = 0;

  // Sessions whose client has asked to cancel.
  std::set<std::string> may_be_cancelled;

  void problem(std::string text) { problems.push_back(std::move(text)); }
};

}  // namespace trunkline::sim
