// Must hold: whatever the text, a load ends with a configuration or at least one problem, each with
// a text, on one line, and with a place inside the file; and no secret of the environment shows.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/loader.h"
#include "config/print.h"

namespace {

using namespace trunkline::config;

void require(bool holds) {
  if (!holds) std::abort();
}

constexpr std::string_view kSecret = "hunter2hunter2";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.contains(kSecret)) return 0;
  Environment environment{
      .variable = [](const std::string& name) -> std::optional<std::string> {
        if (name == "PW") return std::string(kSecret);
        return std::nullopt;
      },
      .read_file = [](const std::string& path, size_t) -> std::expected<std::string, std::string> {
        if (path.ends_with("pw")) return std::string(kSecret);
        return std::unexpected("no such file");
      }};
  auto config = load_text(text, "/f", environment);
  if (config) {
    print_summary(*config);
    return 0;
  }
  require(!config.error().empty());
  for (const Problem& problem : config.error()) {
    require(!problem.text.empty() && problem.at.line >= 0 && problem.at.column >= 0);
    require(!problem.text.contains('\n') && !problem.key.contains('\n'));
    require(!problem.text.contains(kSecret));
  }
  return 0;
}
