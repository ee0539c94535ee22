#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/model.h"

namespace trunkline::config {

// A parsed YAML document as a plain tree with positions. yaml-cpp and its exceptions stay behind
// `parse_yaml`. Immutable; any thread.
struct YamlNode {
  enum class Kind : uint8_t { null, scalar, sequence, mapping };
  struct Entry;

  Kind kind = Kind::null;
  int line = 0;
  int column = 0;
  size_t size_nodes = 1;  // of the whole tree below, itself included
  std::string scalar;
  std::vector<YamlNode> items;
  std::vector<Entry> entries;
};

struct YamlNode::Entry {
  std::string key;
  int line = 0;
  int column = 0;
  YamlNode value;
};

// What a file may cost. An alias counts as much as what it stands for, so that a few lines cannot
// unfold into gigabytes.
inline constexpr size_t kYamlDepthMax = 32;
inline constexpr size_t kYamlNodesMax = 200'000;

// Duplicate keys, keys that are not text and everything yaml-cpp refuses are added to `problems`;
// the tree is good only when none was.
YamlNode parse_yaml(std::string_view text, const std::string& file, std::vector<Problem>& problems);

}  // namespace trunkline::config
