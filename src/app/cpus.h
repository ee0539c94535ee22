#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

namespace trunkline::app {

// How many CPUs this process may use: those of its affinity mask, and no more than its cgroup's
// quota rounded up. At least 1. What `workers: auto` means.
unsigned usable_cpus();

// Of a `cpu.max` file of cgroup v2 ("250000 100000": 2.5 CPUs, so 3); nullopt without a quota.
std::optional<unsigned> parse_cpu_max(std::string_view text);

// The least quota of the cgroup and those above it. `membership` is the text of /proc/self/cgroup,
// `root` where cgroup v2 is mounted.
std::optional<unsigned> cgroup_cpus(std::string_view membership, const std::filesystem::path& root);

}  // namespace trunkline::app
