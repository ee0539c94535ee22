#include "app/cpus.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <sched.h>
#include <string>
#include <thread>

namespace trunkline::app {

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<uint64_t> take_number(std::string_view& text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

// The line "0::/path" is version 2's; others are controllers of version 1.
std::optional<std::filesystem::path> own_cgroup(std::string_view membership) {
  constexpr std::string_view kMark = "0::/";
  size_t begin = membership.starts_with(kMark) ? 0 : membership.find("\n0::/");
  if (begin == std::string_view::npos) return std::nullopt;
  std::string_view path = membership.substr(membership.find(kMark, begin) + kMark.size());
  return std::filesystem::path(path.substr(0, path.find('\n')));
}

unsigned affinity_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(CPU_COUNT(&set));
  return std::thread::hardware_concurrency();  // more CPUs than a cpu_set_t holds
}

}  // namespace

std::optional<unsigned> parse_cpu_max(std::string_view text) {
  std::optional<uint64_t> quota = take_number(text);
  if (!quota || !text.starts_with(' ')) return std::nullopt;  // "max 100000"
  text.remove_prefix(1);
  std::optional<uint64_t> period = take_number(text);
  if (!period || *period == 0 || *quota == 0) return std::nullopt;
  return static_cast<unsigned>(std::min<uint64_t>((*quota - 1) / *period + 1, UINT32_MAX));
}

std::optional<unsigned> cgroup_cpus(std::string_view membership,
                                    const std::filesystem::path& root) {
  std::optional<std::filesystem::path> own = own_cgroup(membership);
  if (!own) return std::nullopt;
  std::optional<unsigned> least;
  for (std::filesystem::path group = *own;; group = group.parent_path()) {
    if (auto cpus = parse_cpu_max(read_file(root / group / "cpu.max"))) {
      least = std::min(least.value_or(*cpus), *cpus);
    }
    if (group.empty()) return least;
  }
}

unsigned usable_cpus() {
  unsigned cpus = affinity_cpus();
  if (auto quota = cgroup_cpus(read_file("/proc/self/cgroup"), "/sys/fs/cgroup")) {
    cpus = std::min(cpus, *quota);
  }
  return std::max(cpus, 1U);
}

}  // namespace trunkline::app
