#include "app/hardening.h"

#include <cerrno>
#include <csignal>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace trunkline::app {
namespace {

// These change the process for good, so each runs in a child; its exit code is what `body` returns.
template <typename Body>
int in_child(Body body) {
  pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Hardening, TheProcessIsNotDumpable) {
  EXPECT_EQ(in_child([] {
              prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
              return forbid_core_dumps() && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 1;
            }),
            0);
}

TEST(Hardening, TheSoftLimitOfDescriptorsBecomesTheHardOne) {
  EXPECT_EQ(in_child([] {
              rlimit limit{.rlim_cur = 32, .rlim_max = 64};
              if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
              if (raise_descriptor_limit() != 64) return 2;
              getrlimit(RLIMIT_NOFILE, &limit);
              return limit.rlim_cur == 64 && limit.rlim_max == 64 ? 0 : 3;
            }),
            0);
}

TEST(Hardening, ABrokenPipeIsAnErrorOnly) {
  EXPECT_EQ(in_child([] {
              std::signal(SIGPIPE, SIG_DFL);
              ignore_broken_pipes();
              int fds[2];
              if (pipe(fds) != 0) return 1;
              close(fds[0]);
              return write(fds[1], "x", 1) < 0 && errno == EPIPE ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace trunkline::app
