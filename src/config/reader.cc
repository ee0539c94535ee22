#include "config/reader.h"

#include <cassert>
#include <filesystem>

#include "base/text.h"

namespace trunkline::config {

Reader::Reader(std::string file, const Environment& environment)
    : file_(std::move(file)), environment_(environment) {}

std::string Reader::absolute(const std::string& path) const {
  auto folder = std::filesystem::path(file_).parent_path();
  return (folder / path).lexically_normal().string();
}

void Reader::error(Location at, std::string key, std::string text) {
  if (problems_.size() < kProblemsMax) {
    problems_.push_back({std::move(at), std::move(key), std::move(text)});
  } else if (problems_.size() == kProblemsMax) {
    problems_.push_back({{file_}, "", "there are more problems; these are the first"});
  }
}

void Reader::warning(Location at, std::string key, std::string text) {
  if (warnings_.size() < kProblemsMax) {
    warnings_.push_back({std::move(at), std::move(key), std::move(text)});
  }
}

Mapping::Mapping(const Value& value, std::string_view section) : value_(value), section_(section) {
  if (value.node().kind != YamlNode::Kind::mapping) {
    value.error("found " + value.found_kind() + "; this must be a mapping of keys to values");
    return;
  }
  auto known = key_names(section);
  bool has_secrets = find_key(section, "password") != nullptr;
  for (const YamlNode::Entry& entry : value.node().entries) {
    if (find_key(section, entry.key) != nullptr) continue;
    constexpr size_t kHintedBytesMax = 64;
    std::string_view near =
        entry.key.size() <= kHintedBytesMax ? nearest_word(entry.key, known) : std::string_view{};
    Location at{value.reader().file(), entry.line, entry.column};
    // `password: a,b` and `password:b` without quotes or a blank, in braces.
    if (has_secrets && (near.empty() || entry.value.kind == YamlNode::Kind::null)) {
      value.reader().error(std::move(at), value.key(),
                           "unknown key; it is not shown, as it may be a part of a password: put "
                           "those in quotes");
      continue;
    }
    std::string text = "unknown key `" + printable(entry.key) + "`";
    if (!near.empty()) text += "; did you mean `" + std::string(near) + "`?";
    value.reader().error(std::move(at), key_of(printable(entry.key)), std::move(text));
  }
}

const YamlNode::Entry* Mapping::entry(std::string_view name) const {
  assert(find_key(section_, name) != nullptr);
  for (const YamlNode::Entry& entry : value_.node().entries) {
    if (entry.key == name) return &entry;
  }
  return nullptr;
}

std::string Mapping::key_of(std::string_view name) const {
  return value_.key().empty() ? std::string(name) : value_.key() + "." + std::string(name);
}

std::optional<Value> Mapping::find(std::string_view name) const {
  const YamlNode::Entry* found = entry(name);
  if (found == nullptr) return std::nullopt;
  Value value(value_.reader(), found->value, key_of(name));
  if (found->value.kind == YamlNode::Kind::null) {
    value_.reader().error({value_.reader().file(), found->line, found->column}, key_of(name),
                          "has no value; give one, or take the key out");
    return std::nullopt;
  }
  return value;
}

std::optional<Value> Mapping::require(std::string_view name) const {
  bool mapping = value_.node().kind == YamlNode::Kind::mapping;
  if (mapping && !has(name)) {
    value_.error("the key `" + std::string(name) + "` is missing here");
  }
  return find(name);
}

void Mapping::read(std::string_view name, bool& to) const {
  if (auto value = find(name)) to = value->boolean().value_or(to);
}

void Mapping::read(std::string_view name, std::string& to) const {
  if (auto value = find(name)) to = value->text().value_or(to);
}

void Mapping::read(std::string_view name, Duration& to, Duration min, Duration max) const {
  if (auto value = find(name)) to = value->duration(min, max).value_or(to);
}

void Mapping::read(std::string_view name, std::optional<Duration>& to, Duration min,
                   Duration max) const {
  auto value = find(name);
  if (!value) return;
  if (value->node().kind == YamlNode::Kind::scalar && value->node().scalar == "none") {
    to.reset();
  } else if (auto duration = value->duration(min, max)) {
    to = duration;
  }
}

void Mapping::read_path(std::string_view name, std::string& to) const {
  if (auto value = find(name)) to = value->path().value_or(to);
}

void Mapping::read_size(std::string_view name, uint64_t& to, uint64_t min, uint64_t max) const {
  if (auto value = find(name)) to = value->size(min, max).value_or(to);
}

std::optional<Secret> Mapping::read_secret(std::string_view name) const {
  std::string file_name = std::string(name) + "_file";
  auto here = find(name);
  auto file = find(file_name);
  if (here && file) {
    file->error("give `" + std::string(name) + "` or `" + file_name + "`, not both");
    return std::nullopt;
  }
  if (here) return here->secret();
  if (file) return file->secret_file();
  return std::nullopt;
}

std::vector<Value> named_values(const Value& value) {
  std::vector<Value> values;
  if (value.node().kind != YamlNode::Kind::mapping) {
    value.error("found " + value.found_kind() + "; this must be a mapping of names to values");
    return values;
  }
  if (value.node().entries.empty()) {
    value.error("found a mapping without a key; give it one, or take the key out");
  }
  for (const YamlNode::Entry& entry : value.node().entries) {
    values.emplace_back(value.reader(), entry.value, value.key() + "." + entry.key);
  }
  return values;
}

}  // namespace trunkline::config
