#include <cctype>

#include "base/text.h"
#include "config/reader.h"

namespace trunkline::config {

namespace {

bool is_variable_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') return false;
  }
  return true;
}

std::string why(QuantityError error, std::string_view number, std::string_view units) {
  switch (error) {
    case QuantityError::not_a_number:
      return "allowed: " + std::string(number);
    case QuantityError::no_unit:
      return "the unit is missing; allowed: " + std::string(units);
    case QuantityError::unknown_unit:
      return "unknown unit; allowed: " + std::string(units);
    case QuantityError::too_large:
      return "the number is too large";
  }
  return {};
}

constexpr std::string_view kDurationUnits = "a number with ms, s, m, h or d, such as 30s";
constexpr std::string_view kSizeUnits = "a number with B, KiB, MiB or GiB, such as 64KiB";

}  // namespace

std::string Value::found_kind() const {
  switch (node_->kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::scalar:
      return "a single value";
    case YamlNode::Kind::sequence:
      return "a list";
    case YamlNode::Kind::mapping:
      return "a mapping";
  }
  return {};
}

std::string Value::found() const {
  bool scalar = node_->kind == YamlNode::Kind::scalar;
  return scalar ? "`" + printable(node_->scalar) + "`" : found_kind();
}

// `${NAME}` is replaced, `$${` stands for `${`; every other `$` stays: captures ($1), the dollars
// of a SCRAM verifier, the end of a regular expression.
std::optional<std::string> Value::expand() const {
  if (node_->kind != YamlNode::Kind::scalar) {
    error("found " + found_kind() + "; this must be a single value");
    return std::nullopt;
  }
  std::string_view rest = node_->scalar;
  std::string out;
  for (;;) {
    size_t at = rest.find("${");
    if (at == std::string_view::npos) return out += rest;
    out += rest.substr(0, at);
    if (at > 0 && rest[at - 1] == '$') {
      out += '{';
      rest.remove_prefix(at + 2);
      continue;
    }
    size_t end = rest.find('}', at);
    std::string name(rest.substr(at + 2, end == std::string_view::npos ? end : end - at - 2));
    if (end == std::string_view::npos || !is_variable_name(name)) {
      error(
          "`${` must be followed by the name of an environment variable and `}`; "
          "write `$${` for the characters themselves");
      return std::nullopt;
    }
    auto value = reader_->environment().variable(name);
    if (!value) {
      error("the environment variable " + printable(name) + " is not set");
      return std::nullopt;
    }
    out += *value;
    wipe(*value);
    rest.remove_prefix(end + 1);
  }
}

std::optional<std::string> Value::text() const {
  auto text = expand();
  if (text && text->empty()) {
    error("found nothing; this must not be empty");
    return std::nullopt;
  }
  if (text && text->find('\0') != std::string::npos) {
    error("a zero byte is not allowed here");
    return std::nullopt;
  }
  return text;
}

std::optional<bool> Value::boolean() const {
  auto written = text();
  if (!written) return std::nullopt;
  if (*written == "true") return true;
  if (*written == "false") return false;
  error("found " + found() + "; allowed: true or false");
  return std::nullopt;
}

std::optional<uint64_t> Value::integer(uint64_t min, uint64_t max) const {
  auto written = text();
  if (!written) return std::nullopt;
  auto number = parse_integer(*written);
  if (number && *number >= min && *number <= max) return *number;
  error("found " + found() + "; allowed: a number from " + std::to_string(min) + " to " +
        std::to_string(max));
  return std::nullopt;
}

std::optional<Duration> Value::duration(Duration min, Duration max) const {
  auto written = text();
  if (!written) return std::nullopt;
  auto parsed = parse_duration(*written);
  if (!parsed) {
    error("found " + found() + "; " + why(parsed.error(), kDurationUnits, kDurationUnits));
  } else if (*parsed < min || *parsed > max) {
    error("found " + found() + "; allowed: from " + format_duration(min) + " to " +
          format_duration(max));
  } else {
    return *parsed;
  }
  return std::nullopt;
}

std::optional<uint64_t> Value::size(uint64_t min, uint64_t max) const {
  auto written = text();
  if (!written) return std::nullopt;
  auto parsed = parse_size(*written);
  if (!parsed) {
    error("found " + found() + "; " + why(parsed.error(), kSizeUnits, kSizeUnits));
  } else if (*parsed < min || *parsed > max) {
    error("found " + found() + "; allowed: from " + format_size(min) + " to " + format_size(max));
  } else {
    return *parsed;
  }
  return std::nullopt;
}

std::optional<std::string> Value::path() const {
  return text().transform([&](const std::string& path) { return reader_->absolute(path); });
}

std::optional<Secret> Value::secret() const {
  auto plain = text();
  if (!plain) return std::nullopt;
  Secret secret(*plain);
  wipe(*plain);
  return secret;
}

std::optional<Secret> Value::secret_file() const {
  auto file = path();
  if (!file) return std::nullopt;
  auto content = reader_->environment().read_file(*file, kSecretFileBytesMax);
  if (!content) {
    error("cannot read " + printable(*file) + ": " + content.error());
    return std::nullopt;
  }
  std::string_view line = *content;
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  std::optional<Secret> secret;
  if (line.empty()) {
    error("the file " + printable(*file) + " is empty");
  } else if (line.find('\0') != std::string_view::npos) {
    error("the file " + printable(*file) + " holds a zero byte");
  } else {
    secret = Secret(line);
  }
  wipe(*content);
  return secret;
}

std::optional<IpNetwork> Value::network() const {
  auto written = text();
  if (!written) return std::nullopt;
  auto network = IpNetwork::parse(*written);
  if (!network) {
    error("found " + found() +
          "; allowed: an IP address or a network such as 10.0.0.0/8 or fd00::/8");
  }
  return network;
}

std::vector<Value> Value::one_or_many() const {
  if (node_->kind == YamlNode::Kind::sequence) return list();
  return {*this};
}

std::vector<Value> Value::list() const {
  std::vector<Value> values;
  if (node_->kind != YamlNode::Kind::sequence) {
    error("found " + found_kind() + "; this must be a list");
  } else if (node_->items.empty()) {
    error("the list is empty; give it an item, or take the key out");
  }
  values.reserve(node_->items.size());
  for (size_t i = 0; i < node_->items.size(); ++i) {
    values.emplace_back(*reader_, node_->items[i], key_ + "[" + std::to_string(i) + "]");
  }
  return values;
}

}  // namespace trunkline::config
