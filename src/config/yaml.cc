#include "config/yaml.h"

#include <istream>
#include <map>
#include <optional>
#include <set>
#include <spanstream>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "base/text.h"

namespace trunkline::config {

namespace {

// Stops yaml-cpp's parser from inside an event; caught by `parse_yaml`.
struct Stop {};

// Builds the tree from yaml-cpp's events. Bounded by kYamlDepthMax and kYamlNodesMax.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& file, std::vector<Problem>& problems)
      : file_(file), problems_(problems) {}

  YamlNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(mark, YamlNode::Kind::null), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // The tag of a quoted scalar is "!", of a plain one "?" or empty; yaml-cpp does not tell what
    // a plain `null` or `~` means.
    bool plain = tag != "!";
    bool null = plain && (value.empty() || value == "~" || value == "null");
    YamlNode node = make(mark, null ? YamlNode::Kind::null : YamlNode::Kind::scalar);
    node.scalar = value;
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto found = anchors_.find(anchor);
    if (found == anchors_.end()) stop(mark, "an alias must not stand inside what it stands for");
    count(mark, found->second.size_nodes);
    YamlNode copy = found->second;
    attach(std::move(copy));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, YamlNode::Kind::sequence, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, YamlNode::Kind::mapping, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or mapping whose end has not come.
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor;
    std::optional<YamlNode> key = std::nullopt;  // read, its value has not come
    std::set<std::string> seen = {};
  };

  [[noreturn]] void stop(const YAML::Mark& mark, std::string text) {
    report(mark.line + 1, mark.column + 1, std::move(text));
    throw Stop{};
  }

  void report(int line, int column, std::string text) {
    problems_.push_back({{file_, line, column}, "", std::move(text)});
  }

  void count(const YAML::Mark& mark, size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > kYamlNodesMax) {
      stop(mark, "the file unfolds to more than " + std::to_string(kYamlNodesMax) + " values");
    }
  }

  YamlNode make(const YAML::Mark& mark, YamlNode::Kind kind) {
    count(mark, 1);
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  void open(const YAML::Mark& mark, YamlNode::Kind kind, YAML::anchor_t anchor) {
    if (open_.size() >= kYamlDepthMax) {
      stop(mark, "values are nested deeper than " + std::to_string(kYamlDepthMax) + " levels");
    }
    open_.push_back({make(mark, kind), anchor});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  void add(YamlNode node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    attach(std::move(node));
  }

  void attach(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::mapping && !parent.key) {
      take_key(parent, std::move(node));
      return;
    }
    parent.node.size_nodes += node.size_nodes;
    if (parent.node.kind == YamlNode::Kind::sequence) {
      parent.node.items.push_back(std::move(node));
    } else {
      YamlNode key = *std::exchange(parent.key, std::nullopt);
      parent.node.entries.push_back({key.scalar, key.line, key.column, std::move(node)});
    }
  }

  void take_key(Open& parent, YamlNode key) {
    if (key.kind != YamlNode::Kind::scalar) {
      report(key.line, key.column, "a key must be text");
    } else if (!parent.seen.insert(key.scalar).second) {
      // Without the key: what is not quoted may be a part of a password.
      report(key.line, key.column, "this key stands here for the second time");
    }
    parent.key = std::move(key);
  }

  const std::string& file_;
  std::vector<Problem>& problems_;
  YamlNode root_;
  size_t nodes_ = 0;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
};

}  // namespace

YamlNode parse_yaml(std::string_view text, const std::string& file,
                    std::vector<Problem>& problems) {
  TreeBuilder builder(file, problems);
  try {
    std::ispanstream stream{std::span<const char>(text)};
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(builder)) {
      YamlNode root = builder.take_root();
      TreeBuilder ignored(file, problems);
      if (parser.HandleNextDocument(ignored)) {
        problems.push_back({{file}, "", "the file holds more than one YAML document"});
      }
      return root;
    }
  } catch (const Stop&) {
    return {};  // reported where it was thrown
  } catch (const YAML::Exception& error) {
    problems.push_back({{file, error.mark.line + 1, error.mark.column + 1},
                        "",
                        "this is not YAML: " + printable(error.msg)});
  }
  return {};
}

}  // namespace trunkline::config
