#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "config/model.h"
#include "route/matcher.h"

// Names of routes. A route is counted, limited and logged under what it matches, not under its
// place in the file: after a reload that inserts another one, its open sessions, their statistics
// and its `max_clients` are still its own. Pure; any thread.
namespace trunkline::route {

// A longer list of values is cut, and ends in a hash of the whole so that it stays its own.
inline constexpr size_t kListBytesMax = 48;
// Behind the cut: "...~89abcdef".
inline constexpr size_t kCutMarkBytes = 12;
// The longest name: every key with a cut list, "application_name=" being the longest of them.
inline constexpr size_t kRouteNameBytesMax = 6 * (17 + kListBytesMax + kCutMarkBytes + 1);

// What a route matches, whole: `user=alice,svc_* database=/app_(\d+)/`, or `all`.
std::string match_text(const Matcher& matcher);

// The same with long lists cut; of a short form the external host or the user.
std::string route_name(const config::Route& route, const Matcher& matcher);

// Puts " #2", " #3" behind names that were given before, in the order of the file.
class UniqueNames {
 public:
  std::string give(std::string name);

 private:
  std::map<std::string, size_t> given_;  // with the last number behind it
};

}  // namespace trunkline::route
