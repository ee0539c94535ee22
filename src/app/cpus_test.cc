#include "app/cpus.h"

#include <fstream>
#include <gtest/gtest.h>
#include <sched.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace trunkline::app {
namespace {

TEST(CpuMax, AQuotaIsRoundedUp) {
  EXPECT_EQ(parse_cpu_max("200000 100000\n"), 2U);
  EXPECT_EQ(parse_cpu_max("200001 100000\n"), 3U);
  EXPECT_EQ(parse_cpu_max("1000 100000"), 1U);
  EXPECT_EQ(parse_cpu_max("18446744073709551615 1"), UINT32_MAX);
}

TEST(CpuMax, WithoutAQuotaThereIsNone) {
  for (const char* text : {"max 100000\n", "", "100000", "100000 0", "0 100000", "x y", "1\n2"}) {
    EXPECT_EQ(parse_cpu_max(text), std::nullopt) << text;
  }
}

struct CgroupTest : testing::Test {
  CgroupTest() { std::filesystem::create_directories(root / "a" / "b"); }
  ~CgroupTest() override { std::filesystem::remove_all(root); }

  void set(const char* group, const char* text) { std::ofstream(root / group / "cpu.max") << text; }

  const std::filesystem::path root =
      std::filesystem::temp_directory_path() / ("trunkline-cgroup-" + std::to_string(getpid()));
};

TEST_F(CgroupTest, TheLeastQuotaOnTheWayUpHolds) {
  set("a/b", "max 100000\n");
  EXPECT_EQ(cgroup_cpus("0::/a/b\n", root), std::nullopt);
  set("a", "300000 100000\n");
  EXPECT_EQ(cgroup_cpus("0::/a/b\n", root), 3U);
  set("a/b", "400000 100000\n");
  EXPECT_EQ(cgroup_cpus("0::/a/b\n", root), 3U);
  set("a/b", "150000 100000\n");
  EXPECT_EQ(cgroup_cpus("0::/a/b\n", root), 2U);
}

TEST_F(CgroupTest, InAContainerTheRootIsItsOwn) {
  set("", "100000 100000\n");
  EXPECT_EQ(cgroup_cpus("0::/\n", root), 1U);
  EXPECT_EQ(cgroup_cpus("0::/a\n", root), 1U);
}

TEST_F(CgroupTest, Version1IsNotLookedAt) {
  set("a", "100000 100000\n");
  EXPECT_EQ(cgroup_cpus("4:cpu:/a\n1:name=systemd:/a\n", root), std::nullopt);
  EXPECT_EQ(cgroup_cpus("4:cpu:/x\n0::/a\n", root), 1U);
  EXPECT_EQ(cgroup_cpus("", root), std::nullopt);
}

TEST(UsableCpus, FollowTheAffinityMask) {
  EXPECT_GE(usable_cpus(), 1U);
  pid_t child = fork();
  if (child == 0) {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    int first = 0;
    while (!CPU_ISSET(first, &set)) ++first;
    CPU_ZERO(&set);
    CPU_SET(first, &set);
    sched_setaffinity(0, sizeof set, &set);
    _exit(static_cast<int>(usable_cpus()));
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

}  // namespace
}  // namespace trunkline::app
