#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "config/loader.h"
#include "config/model.h"
#include "config/names.h"
#include "config/quantity.h"
#include "config/reference.h"
#include "config/yaml.h"

namespace trunkline::config {

// Collects what is wrong while the tree becomes a Config, and holds what all readers need. Lives
// for one load, on its thread.
class Reader {
 public:
  Reader(std::string file, const Environment& environment);

  const std::string& file() const { return file_; }
  const Environment& environment() const { return environment_; }
  std::string absolute(const std::string& path) const;  // against the folder of the file

  void error(Location at, std::string key, std::string text);
  void warning(Location at, std::string key, std::string text);
  bool failed() const { return !problems_.empty(); }
  std::vector<Problem>& problems() { return problems_; }
  std::vector<Problem>& warnings() { return warnings_; }

 private:
  std::string file_;
  const Environment& environment_;
  std::vector<Problem> problems_;
  std::vector<Problem> warnings_;
};

// One value of the file with its dotted key. Reading reports what is wrong and yields nothing then.
// Borrowed from the tree: valid for the load.
class Value {
 public:
  Value(Reader& reader, const YamlNode& node, std::string key)
      : reader_(&reader), node_(&node), key_(std::move(key)) {}

  Reader& reader() const { return *reader_; }
  const YamlNode& node() const { return *node_; }
  const std::string& key() const { return key_; }
  Location at() const { return {reader_->file(), node_->line, node_->column}; }
  void error(std::string text) const { reader_->error(at(), key_, std::move(text)); }
  void warning(std::string text) const { reader_->warning(at(), key_, std::move(text)); }

  // What stands in the file, for messages; before ${…} is replaced, so that no secret shows.
  std::string found() const;
  std::string found_kind() const;  // where even that could be a misplaced secret

  std::optional<std::string> text() const;  // not empty, ${…} replaced
  std::optional<bool> boolean() const;
  std::optional<uint64_t> integer(uint64_t min, uint64_t max) const;
  std::optional<Duration> duration(Duration min, Duration max) const;
  std::optional<uint64_t> size(uint64_t min, uint64_t max) const;
  std::optional<std::string> path() const;
  std::optional<Secret> secret() const;       // the value itself
  std::optional<Secret> secret_file() const;  // the value names its file
  std::optional<IpNetwork> network() const;
  template <typename Enum>
  std::optional<Enum> word() const {
    auto written = text();
    if (!written) return std::nullopt;
    auto value = from_word<Enum>(*written);
    if (!value) error("found " + found() + "; allowed: " + all_words<Enum>());
    return value;
  }

  // The items of a list; of anything else, the value itself.
  std::vector<Value> one_or_many() const;
  // The items of a list that has some; reports anything else.
  std::vector<Value> list() const;

 private:
  std::optional<std::string> expand() const;  // a scalar with ${…} replaced

  Reader* reader_;
  const YamlNode* node_;
  std::string key_;
};

// A mapping whose keys are those of one section of the reference: others are reported when it is
// made. Each reading function leaves its target alone when the key is absent or wrong.
class Mapping {
 public:
  Mapping(const Value& value, std::string_view section);

  const Value& value() const { return value_; }
  bool has(std::string_view name) const { return entry(name) != nullptr; }
  std::optional<Value> find(std::string_view name) const;
  std::optional<Value> require(std::string_view name) const;  // reports its absence
  std::string key_of(std::string_view name) const;

  void read(std::string_view name, bool& to) const;
  void read(std::string_view name, std::string& to) const;
  void read(std::string_view name, Duration& to, Duration min, Duration max) const;
  // `none` takes away what was there.
  void read(std::string_view name, std::optional<Duration>& to, Duration min, Duration max) const;
  void read_path(std::string_view name, std::string& to) const;
  void read_size(std::string_view name, uint64_t& to, uint64_t min, uint64_t max) const;
  template <typename Enum>
    requires std::is_enum_v<Enum>
  void read(std::string_view name, Enum& to) const {
    if (auto value = find(name)) to = value->word<Enum>().value_or(to);
  }
  template <std::unsigned_integral Integer>
  void read_integer(std::string_view name, Integer& to, uint64_t min, uint64_t max) const {
    if (auto value = find(name)) {
      if (auto number = value->integer(min, max)) to = static_cast<Integer>(*number);
    }
  }
  template <std::unsigned_integral Integer>
  void read_integer(std::string_view name, std::optional<Integer>& to, uint64_t min,
                    uint64_t max) const {
    Integer number = 0;
    read_integer(name, number, min, max);
    if (number != 0) to = number;  // min is at least 1 wherever a limit may be absent
  }
  // From `name` or the file in `<name>_file`; both are one too many.
  std::optional<Secret> read_secret(std::string_view name) const;

 private:
  const YamlNode::Entry* entry(std::string_view name) const;

  Value value_;
  std::string_view section_;
};

// The entries of a mapping whose keys are the user's names.
std::vector<Value> named_values(const Value& value);

}  // namespace trunkline::config
