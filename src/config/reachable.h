#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "config/model.h"

namespace trunkline::config {

// Every client that `narrow` matches, `wide` matches as well, as far as that shows without
// evaluating regular expressions: each condition of `wide` is one of `narrow` too, and each value
// of it there is covered by one here. False when in doubt.
bool covers(const Match& wide, const Match& narrow);

// A route that no client reaches, and the first before it that takes them all.
struct Unreachable {
  size_t route;
  size_t taken_by;
};

// In the order of the file. Behind a route that matches every client only the next one is named:
// what is said of it holds for all that follow. Linear for routes that match exact names, as the
// short forms make them by the thousand; of others the first 500 are compared. Pure; any thread.
std::vector<Unreachable> find_unreachable(std::span<const Route> routes);

}  // namespace trunkline::config
