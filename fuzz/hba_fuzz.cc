// Must hold: reading ends, the number of problems is bounded, and every entry and problem has a
// place inside the text.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "config/hba_file.h"
#include "config/loader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto lines = std::ranges::count(text, '\n') + 1;
  std::vector<trunkline::config::Problem> problems;
  auto rules = trunkline::config::parse_hba(text, "f", problems);
  auto inside = [&](const auto& entry) {
    return entry.at.line >= 0 && entry.at.line <= lines && entry.at.column >= 0;
  };
  bool good = problems.size() <= trunkline::config::kProblemsMax &&
              std::ranges::all_of(rules, inside) && std::ranges::all_of(problems, inside);
  if (!good) std::abort();
  return 0;
}
