#include "config/loader.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <tuple>
#include <unistd.h>
#include <utility>

#include "base/text.h"
#include "config/sections.h"

namespace trunkline::config {

namespace {

using LoadSection = void (*)(const Value&, Config&);

void load_section(const Mapping& root, std::string_view name, LoadSection section, Config& config) {
  if (auto value = root.find(name)) section(*value, config);
}

void refuse_both(const Mapping& root, std::string_view first, std::string_view second) {
  if (!root.has(first) || !root.has(second)) return;
  if (auto value = root.find(second)) {
    value->error("cannot stand beside `" + std::string(first) + "`: keep one");
  }
}

void load_root(const Mapping& root, Config& config) {
  load_general(root, config);
  auto mode = root.has("mappings") ? ClientTlsMode::passthrough : ClientTlsMode::disable;
  if (auto listen = root.require("listen")) load_listen(*listen, mode, config);
  load_section(root, "upstreams", load_upstreams, config);
  load_section(root, "routes", load_routes, config);
  load_section(root, "mappings", load_mappings, config);
  load_section(root, "user_mappings", load_user_mappings, config);
  load_section(root, "users", load_users, config);
  load_section(root, "users_file", load_users_file, config);
  refuse_both(root, "authentication", "hba_file");
  load_section(root, "authentication", load_authentication, config);
  if (!root.has("authentication")) load_section(root, "hba_file", load_hba_file, config);
  load_section(root, "ident", load_ident, config);
  load_section(root, "ident_file", load_ident_file, config);
  check(root, config);
}

std::string why_not_read(int error) {
  return std::system_category().message(error);
}

std::expected<std::string, std::string> read_file(const std::string& path, size_t bytes_max) {
  // A FIFO would block here for ever.
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::unexpected(why_not_read(errno));
  std::string content;
  std::string wrong;
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    wrong = why_not_read(errno);
  } else if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode)) {
    wrong = "it is not a file";
  }
  while (wrong.empty()) {
    char chunk[16384];
    ssize_t count = ::read(fd, chunk, sizeof chunk);
    if (count < 0) {
      wrong = why_not_read(errno);
    } else if (content.size() + static_cast<size_t>(count) > bytes_max) {
      wrong = "it has more than " + format_size(bytes_max);
    } else if (count == 0) {
      break;
    } else {
      content.append(chunk, static_cast<size_t>(count));
    }
  }
  ::close(fd);
  if (wrong.empty()) return content;
  wipe(content);
  return std::unexpected(wrong);
}

Loaded load_from(std::string_view text, const std::string& path, const Environment& environment) {
  Reader reader(path, environment);
  YamlNode tree = parse_yaml(text, path, reader.problems());
  Loaded loaded;
  loaded.config.file = path;
  if (!reader.failed() && tree.kind == YamlNode::Kind::null) {
    reader.error({path}, "", "the file is empty; it needs at least `listen` and `upstreams`");
  } else if (!reader.failed()) {
    Mapping root(Value(reader, tree, ""), "");
    if (tree.kind == YamlNode::Kind::mapping) load_root(root, loaded.config);
  }
  // The order of the file; problems of other files follow those of this one.
  std::ranges::sort(reader.problems(), {}, [&](const Problem& problem) {
    return std::tuple(problem.at.file != path, problem.at.file, problem.at.line, problem.at.column,
                      problem.text);
  });
  loaded.config.warnings = std::move(reader.warnings());
  loaded.errors = std::move(reader.problems());
  return loaded;
}

}  // namespace

Environment system_environment() {
  return {.variable = [](const std::string& name) -> std::optional<std::string> {
            const char* value = std::getenv(name.c_str());
            return value == nullptr ? std::nullopt : std::optional<std::string>(value);
          },
          .read_file = read_file};
}

std::expected<Config, std::vector<Problem>> load_text(std::string_view text,
                                                      const std::string& path,
                                                      const Environment& environment) {
  Loaded loaded = load_from(text, path, environment);
  if (!loaded.errors.empty()) return std::unexpected(std::move(loaded.errors));
  return std::move(loaded.config);
}

Loaded load(const std::string& path) {
  Environment environment = system_environment();
  std::error_code ignored;
  std::string absolute = std::filesystem::absolute(path, ignored).lexically_normal().string();
  auto text = environment.read_file(absolute, kConfigBytesMax);
  if (!text) return {.errors = {{{absolute}, "", "cannot read the file: " + text.error()}}};
  Loaded loaded = load_from(*text, absolute, environment);
  wipe(*text);
  return loaded;
}

std::optional<std::string> find_config_file(
    const std::function<std::optional<std::string>(const std::string& name)>& variable,
    const std::function<bool(const std::string& path)>& exists) {
  if (auto path = variable("CONFIG_PATH"); path && !path->empty()) return path;
  for (const char* path : {"./trunkline.yaml", "/etc/trunkline/trunkline.yaml", "./config.yaml"}) {
    if (exists(path)) return path;
  }
  return std::nullopt;
}

std::optional<std::string> find_config_file() {
  return find_config_file(system_environment().variable, [](const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
  });
}

}  // namespace trunkline::config
