#include "app/hardening.h"

#include <csignal>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace trunkline::app {

bool forbid_core_dumps() {
  return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return limit.rlim_cur;
}

void ignore_broken_pipes() {
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace trunkline::app
