#pragma once

#include <string>

namespace trunkline::app {

inline constexpr int kExitClean = 0;
inline constexpr int kExitBadConfig = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitCannotListen = 3;

// The commands of the program, for main's thread; each prints for people and returns the exit code.
// An empty `file` stands for the first default that exists.
int run_proxy(const std::string& file);
int check_config(const std::string& file);

struct RouteQuestion {
  std::string user;
  std::string database;
  std::string sni;
  std::string application_name;
  std::string source;
  bool tls = false;
};
int explain_route(const std::string& file, const RouteQuestion& question);

}  // namespace trunkline::app
