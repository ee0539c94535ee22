#include "bench/fake_session.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <strings.h>
#include <utility>

namespace trunkline::bench {
namespace {

constexpr std::string_view kSetConfig = "SELECT pg_catalog.set_config(";
constexpr std::string_view kNames = "WITH own AS (SELECT oid FROM pg_catalog.pg_namespace";

bool starts_with_word(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && ::strncasecmp(text.data(), word.data(), word.size()) == 0;
}

// Takes a zero-terminated string from the front; an empty one when there is none.
std::string_view take_string(std::string_view& body) {
  size_t end = body.find('\0');
  if (end == std::string_view::npos) return std::exchange(body, {});
  std::string_view text = body.substr(0, end);
  body.remove_prefix(end + 1);
  return text;
}

size_t take_u16(std::string_view& body) {
  if (body.size() < 2) return 0;
  size_t value = static_cast<uint8_t>(body[0]) * size_t{256} + static_cast<uint8_t>(body[1]);
  body.remove_prefix(2);
  return value;
}

std::string parameter_status(size_t number, std::string_view value) {
  return message('S', c_string(kDefaults[number].first) + c_string(value));
}

// kParameters when it is not reported.
size_t parameter_number(std::string_view name) {
  auto found = std::ranges::find_if(kDefaults, [&](const auto& each) {
    return each.first.size() == name.size() && starts_with_word(each.first, name);
  });
  return static_cast<size_t>(found - kDefaults.begin());
}

// The elements of an array's text (documentation 8.15.2), of one dimension.
std::vector<std::optional<std::string>> elements(std::string_view array) {
  std::vector<std::optional<std::string>> found;
  if (array.size() < 2) return found;
  array = array.substr(1, array.size() - 2);
  while (!array.empty()) {
    std::string element;
    bool quoted = array.front() == '"';
    size_t at = quoted ? 1 : 0;
    for (; at < array.size() && array[at] != (quoted ? '"' : ','); ++at) {
      if (array[at] == '\\' && at + 1 < array.size()) ++at;
      element += array[at];
    }
    bool is_null = !quoted && ::strcasecmp(element.c_str(), "NULL") == 0;
    found.push_back(is_null ? std::nullopt : std::optional(std::move(element)));
    array.remove_prefix(std::min(array.size(), at + (quoted ? 2 : 1)));
  }
  return found;
}

}  // namespace

const std::shared_ptr<const FakeSession::Values>& FakeSession::defaults() {
  static const std::shared_ptr<const Values> kValues = [] {
    auto values = std::make_shared<Values>();
    for (size_t i = 0; i < kParameters; ++i) (*values)[i] = kDefaults[i].second;
    return values;
  }();
  return kValues;
}

void FakeSession::start(std::string_view packet) {
  packet.remove_prefix(std::min<size_t>(packet.size(), 4));
  Values values = *values_;
  while (packet.size() > 1) {
    std::string_view name = take_string(packet);
    size_t number = parameter_number(name == "user" ? "session_authorization" : name);
    std::string_view value = take_string(packet);
    if (number < kParameters) values[number] = value;
  }
  if (values == *values_) return;
  at_login_ = reported_ = values_ = std::make_shared<const Values>(std::move(values));
}

void FakeSession::append_logged_in(std::string& out) const {
  out += message('R', u32(kAuthOk));
  for (size_t i = 0; i < kParameters; ++i) out += parameter_status(i, (*values_)[i]);
  out += message('K', u32(1) + u32(2)) + replies_.ready;
}

FakeSession::Statement FakeSession::classify(std::string_view text) {
  static constexpr struct {
    std::string_view words;
    Statement statement;
  } kKnown[] = {
      {kSetConfig, {Kind::set_config, ""}},
      {kNames, {Kind::names, "SELECT 1"}},
      {"SELECT", {Kind::row, ""}},
      {"SET", {Kind::command, "SET"}},
      {"BEGIN", {Kind::begin, "BEGIN"}},
      {"COMMIT", {Kind::end, "COMMIT"}},
      {"ROLLBACK", {Kind::end, "ROLLBACK"}},
      {"RESET ALL", {Kind::reset_all, "RESET"}},
      {"RESET", {Kind::command, "RESET"}},
      {"DISCARD ALL", {Kind::reset_all, "DISCARD ALL"}},
      {"DISCARD SEQUENCES", {Kind::command, "DISCARD SEQUENCES"}},
      {"DISCARD TEMP", {Kind::command, "DISCARD TEMP"}},
      {"UNLISTEN", {Kind::command, "UNLISTEN"}},
      {"CLOSE ALL", {Kind::command, "CLOSE CURSOR ALL"}},
      {"DEALLOCATE ALL", {Kind::command, "DEALLOCATE ALL"}},
  };
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) {
    text.remove_prefix(1);
  }
  for (const auto& known : kKnown) {
    if (starts_with_word(text, known.words)) return known.statement;
  }
  return {};
}

void FakeSession::parse(std::string_view body) {
  std::string_view name = take_string(body);
  Statement statement = classify(take_string(body));
  if (name.empty()) {
    unnamed_ = statement;
  } else if (statement.kind != Kind::row) {
    named_[std::string(name)] = statement;
  } else if (!named_.empty()) {
    named_.erase(std::string(name));
  }
}

void FakeSession::bind(std::string_view body) {
  take_string(body);
  std::string_view name = take_string(body);
  portal_ = name.empty() ? unnamed_ : Statement{};
  if (!name.empty() && !named_.empty()) {
    if (auto found = named_.find(std::string(name)); found != named_.end()) portal_ = found->second;
  }
  if (portal_.kind != Kind::set_config) return;
  bound_.clear();
  for (size_t formats = take_u16(body); formats > 0; --formats) take_u16(body);
  for (size_t values = take_u16(body); values > 0 && body.size() >= 4; --values) {
    size_t bytes = load_u32(body.data());
    body.remove_prefix(4);
    bound_.emplace_back(body.substr(0, bytes));
    body.remove_prefix(std::min(body.size(), bytes));
  }
}

void FakeSession::close(std::string_view body) {
  if (body.starts_with('S') && !named_.empty()) {
    body.remove_prefix(1);
    named_.erase(std::string(take_string(body)));
  }
}

void FakeSession::describe(std::string_view body, std::string& out) const {
  if (body.starts_with('S')) out += replies_.parameters;
  out += replies_.row_description;
}

void FakeSession::execute(std::string& out) {
  if (portal_.kind == Kind::row) {
    out += replies_.executed;
  } else {
    run(portal_, out);
  }
}

void FakeSession::query(std::string_view body, std::string& out) {
  std::string_view text = take_string(body);
  if (text.empty()) out += replies_.empty;
  while (!text.empty()) {
    size_t end = std::min(text.find(';'), text.size());
    Statement statement = classify(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (statement.kind == Kind::row) {
      out += replies_.described_row;
    } else {
      run(statement, out);
    }
  }
  ready(out);
}

void FakeSession::run(Statement statement, std::string& out) {
  switch (statement.kind) {
    case Kind::begin:
      in_transaction_ = true;
      break;
    case Kind::end:
      in_transaction_ = false;
      break;
    case Kind::reset_all:
      values_ = at_login_;
      changed_ = true;
      break;
    case Kind::set_config:
      set_configs(out);
      return;
    case Kind::names:
      out += replies_.all_names_plain;
      break;
    default:
      break;
  }
  out += message('C', c_string(statement.tag));
}

void FakeSession::set_configs(std::string& out) {
  if (bound_.size() != 2) return;
  auto names = elements(bound_[0]);
  auto wanted = elements(bound_[1]);
  names.resize(wanted.size());
  for (size_t i = 0; i < names.size(); ++i) {
    size_t number = parameter_number(names[i].value_or(""));
    std::string value = wanted[i].value_or("-");
    if (value.starts_with('+')) {
      value.erase(0, 1);
    } else {
      value = number < kParameters ? (*at_login_)[number] : "";
    }
    out += message('D', u16(1) + u32(value.size()) + value);
    if (number == kParameters || (*values_)[number] == value) continue;
    auto values = std::make_shared<Values>(*values_);
    (*values)[number] = std::move(value);
    values_ = std::move(values);
    changed_ = true;
  }
  out += message('C', c_string("SELECT " + std::to_string(names.size())));
}

void FakeSession::ready(std::string& out) {
  if (changed_) {
    for (size_t i = 0; i < kParameters; ++i) {
      if ((*values_)[i] != (*reported_)[i]) out += parameter_status(i, (*values_)[i]);
    }
    reported_ = values_;
    changed_ = false;
  }
  out += in_transaction_ ? replies_.ready_in_transaction : replies_.ready;
}

}  // namespace trunkline::bench
