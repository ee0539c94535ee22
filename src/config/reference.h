#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trunkline::config {

// When a changed value takes effect after a reload.
enum class Reload : uint8_t { now, next_checkout, next_login, restart };

// One key of the file. The whole table drives the check for unknown keys, their hints, and
// docs/configuration.md; a loader function that asks for a key that is not here stops the program
// in debug builds.
struct Key {
  std::string_view section;  // "" is the top of the file; "listen.tls" a mapping inside `listen`
  std::string_view name;
  std::string_view type;
  std::string (*default_value)();  // from the model; nullptr: none
  std::string_view allowed;
  Reload reload;
  std::string_view text;
};

std::span<const Key> all_keys();
const Key* find_key(std::string_view section, std::string_view name);
std::vector<std::string_view> key_names(std::string_view section);

// docs/configuration.md
std::string reference_markdown();

}  // namespace trunkline::config
