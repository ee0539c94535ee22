#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"

namespace trunkline::config {

// What the loader asks of the world, so that tests need neither files nor variables.
struct Environment {
  std::function<std::optional<std::string>(const std::string& name)> variable;
  // The bytes of a file of at most `bytes_max`, or why not.
  std::function<std::expected<std::string, std::string>(const std::string& path, size_t bytes_max)>
      read_file;
};

Environment system_environment();

inline constexpr size_t kConfigBytesMax = 4 << 20;
inline constexpr size_t kSecretFileBytesMax = 64 << 10;
inline constexpr size_t kUserlistBytesMax = 64 << 20;
inline constexpr size_t kHbaBytesMax = 4 << 20;
// A file that is wrong in every line does not fill the screen, or the memory.
inline constexpr size_t kProblemsMax = 100;

// What could be read of a file, and what is wrong with it, in the order of the file. With errors
// `config` is good for nothing but to find more of them: what was wrong is missing in it.
struct Loaded {
  Config config = {};
  std::vector<Problem> errors = {};
};

// Reads the file and those it names (users, rules, secrets), checks all that needs no other module,
// and expands the short forms. Blocking; not for a worker's thread.
Loaded load(const std::string& path);

// The same from memory, and nothing but the problems on failure. `path` is absolute: it stands in
// messages, and relative paths start there.
std::expected<Config, std::vector<Problem>> load_text(std::string_view text,
                                                      const std::string& path,
                                                      const Environment& environment);

// Where the configuration is when the command line names none: $CONFIG_PATH, ./trunkline.yaml,
// /etc/trunkline/trunkline.yaml, ./config.yaml; the first that exists (CONFIG_PATH also when it
// does not, so that its message is about the file that was asked for).
std::optional<std::string> find_config_file(
    const std::function<std::optional<std::string>(const std::string& name)>& variable,
    const std::function<bool(const std::string& path)>& exists);
std::optional<std::string> find_config_file();

}  // namespace trunkline::config
