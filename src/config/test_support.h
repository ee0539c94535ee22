#pragma once

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <string>

#include "config/loader.h"
#include "config/print.h"

namespace trunkline::config {

// A world of files and variables for a load without either.
struct World {
  std::map<std::string, std::string> files = {};
  std::map<std::string, std::string> variables = {};

  Environment environment() const {
    return {.variable = [this](const std::string& name) -> std::optional<std::string> {
              auto found = variables.find(name);
              if (found == variables.end()) return std::nullopt;
              return found->second;
            },
            .read_file = [this](const std::string& path,
                                size_t bytes_max) -> std::expected<std::string, std::string> {
              auto found = files.find(path);
              if (found == files.end()) return std::unexpected("No such file or directory");
              if (found->second.size() > bytes_max) return std::unexpected("it is too large");
              return found->second;
            }};
  }
};

// The errors of a load as they are printed, less the name of the file /etc/t/t.yaml; empty when the
// load succeeds.
inline std::string errors_of(const std::string& text, const World& world = {}) {
  auto config = load_text(text, "/etc/t/t.yaml", world.environment());
  if (config) return "";
  EXPECT_FALSE(config.error().empty()) << "failed without a problem";
  std::string printed = print_errors(config.error());
  const std::string file = "/etc/t/t.yaml:";
  for (size_t at; (at = printed.find(file)) != std::string::npos;) printed.erase(at, file.size());
  return printed;
}

inline Config config_of(const std::string& text, const World& world = {}) {
  auto config = load_text(text, "/etc/t/t.yaml", world.environment());
  if (config) return std::move(*config);
  ADD_FAILURE() << print_errors(config.error());
  return {};
}

inline std::string warnings_of(const std::string& text, const World& world = {}) {
  return print_warnings(config_of(text, world).warnings);
}

// A whole file around the lines a test is about.
inline const std::string kListen = "listen: {port: 6432}\n";
inline const std::string kUpstream = "upstreams: {main: {servers: [{host: db}]}}\n";
inline const std::string kMinimal = kListen + kUpstream;

// The folder of the project, above that of the build.
inline std::filesystem::path project_folder() {
  auto folder = std::filesystem::read_symlink("/proc/self/exe");
  while (folder.has_relative_path() && !std::filesystem::exists(folder / "CMakePresets.json")) {
    folder = folder.parent_path();
  }
  return folder;
}

inline std::string read_whole(const std::filesystem::path& path) {
  std::ifstream stream(path);
  std::stringstream content;
  content << stream.rdbuf();
  return content.str();
}

}  // namespace trunkline::config
