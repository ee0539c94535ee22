#include "config/reference.h"

#include <fmt/format.h>

namespace trunkline::config {

const Key* find_key(std::string_view section, std::string_view name) {
  for (const Key& key : all_keys()) {
    if (key.section == section && key.name == name) return &key;
  }
  return nullptr;
}

std::vector<std::string_view> key_names(std::string_view section) {
  std::vector<std::string_view> names;
  for (const Key& key : all_keys()) {
    if (key.section == section) names.push_back(key.name);
  }
  return names;
}

namespace {

// How a section is written in the file.
std::string section_title(std::string_view section) {
  if (section.empty()) return "Top of the file";
  for (std::string_view of_names : {"upstreams", "user_mappings"}) {
    if (!section.starts_with(of_names)) continue;
    std::string_view name = of_names == "upstreams" ? "<name>" : "<user>";
    return fmt::format("`{}.{}{}`", of_names, name, section.substr(of_names.size()));
  }
  return fmt::format("`{}`", section);
}

std::string_view reload_text(Reload reload) {
  switch (reload) {
    case Reload::now:
      return "at once";
    case Reload::next_checkout:
      return "next checkout";
    case Reload::next_login:
      return "next login";
    case Reload::restart:
      return "restart";
  }
  return "";
}

// A cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

constexpr std::string_view kIntroduction =
    R"(# Configuration reference

Generated from the program's own table of keys; do not edit.

One YAML file: `listen` and one way to a server are required, everything else has a default. A key
that is not here is an error.

* **duration**: a number with `ms`, `s`, `m`, `h` or `d`. **size**: a number with `B`, `KiB`, `MiB`
  or `GiB`.
* **path**: relative to the folder of the configuration file.
* **pattern**: an exact text, a text with `*` for any run of characters, or a regular expression
  between slashes (RE2), which must match the whole value. A list means any of them.
* **network**: an IP address, or a network such as `10.0.0.0/8`. A list means any of them.
* `${NAME}` in any value is replaced by the environment variable, which must exist; `$${` stands
  for `${`.
* **Reload** says when a changed value takes effect after SIGHUP: at once, for the next server
  connection taken (next checkout), for clients that log in afterwards (next login), or only after
  a restart.
)";

}  // namespace

std::string reference_markdown() {
  std::string out(kIntroduction);
  std::string_view section = "-";
  for (const Key& key : all_keys()) {
    if (key.section != section) {
      section = key.section;
      out += fmt::format("\n## {}\n\n", section_title(section));
      out +=
          "| key | type | default | allowed | reload | what it is |\n|---|---|---|---|---|---|\n";
    }
    std::string value = key.default_value != nullptr ? "`" + key.default_value() + "`" : "";
    out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", key.name, key.type, cell(value),
                       cell(key.allowed), reload_text(key.reload), cell(key.text));
  }
  return out;
}

}  // namespace trunkline::config
