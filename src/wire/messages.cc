#include "wire/messages.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace trunkline::wire {

Severity parse_severity(std::string_view text) {
  static constexpr std::pair<std::string_view, Severity> kNames[] = {
      {"ERROR", Severity::error},     {"FATAL", Severity::fatal},   {"PANIC", Severity::panic},
      {"WARNING", Severity::warning}, {"NOTICE", Severity::notice}, {"INFO", Severity::info},
      {"LOG", Severity::log},         {"DEBUG", Severity::debug}};
  for (auto [name, severity] : kNames) {
    if (text == name) return severity;
  }
  // Older servers and other implementations give the level: DEBUG1 to DEBUG5.
  return text.size() == 6 && text.starts_with("DEBUG") ? Severity::debug : Severity::unknown;
}

std::optional<std::string_view> ErrorFields::get(char code) const {
  ByteReader reader(body_);
  while (std::optional<char> field = reader.read<char>()) {
    if (*field == '\0') break;
    std::optional<std::string_view> text = reader.read_c_string();
    if (!text || *field == code) return text;
  }
  return std::nullopt;
}

Severity ErrorFields::severity() const {
  std::optional<std::string_view> text = get('V');
  if (!text) text = get('S');
  return text ? parse_severity(*text) : Severity::unknown;
}

std::optional<std::vector<std::string_view>> AuthenticationRequest::mechanisms() const {
  std::vector<std::string_view> names;
  ByteReader reader(data);
  while (std::optional<std::string_view> name = reader.read_c_string()) {
    if (name->empty()) return names;
    if (names.size() == kSaslMechanismsMax) break;
    names.push_back(*name);
  }
  return std::nullopt;
}

std::optional<AuthenticationRequest> parse_authentication(std::string_view body) {
  ByteReader reader(body);
  std::optional<uint32_t> code = reader.read<uint32_t>();
  if (!code) return std::nullopt;
  if (*code == authentication::kMd5Password && reader.rest().size() != 4) return std::nullopt;
  return AuthenticationRequest{.code = *code, .data = reader.rest()};
}

std::optional<ParameterStatus> parse_parameter_status(std::string_view body) {
  ByteReader reader(body);
  std::optional<std::string_view> name = reader.read_c_string();
  std::optional<std::string_view> value = reader.read_c_string();
  if (!name || !value || !reader.at_end()) return std::nullopt;
  return ParameterStatus{.name = *name, .value = *value};
}

std::optional<BackendKeyData> parse_backend_key_data(std::string_view body) {
  ByteReader reader(body);
  std::optional<uint32_t> process_id = reader.read<uint32_t>();
  std::string_view key = reader.rest();
  if (!process_id || key.size() < kCancelKeyBytesMin || key.size() > kCancelKeyBytesMax) {
    return std::nullopt;
  }
  return BackendKeyData{.process_id = *process_id, .key = key};
}

std::optional<ProtocolOffer> parse_negotiate_protocol_version(std::string_view body) {
  ByteReader reader(body);
  std::optional<uint32_t> newest = reader.read<uint32_t>();
  std::optional<uint32_t> count = reader.read<uint32_t>();
  if (!newest || !count) return std::nullopt;
  ProtocolOffer offer{.newest = *newest, .unknown_options = {}};
  for (uint32_t i = 0; i < *count; ++i) {
    std::optional<std::string_view> name = reader.read_c_string();
    if (!name) return std::nullopt;  // ends a loop that a lying count would make long
    offer.unknown_options.push_back(*name);
  }
  if (!reader.at_end()) return std::nullopt;
  return offer;
}

std::vector<std::string_view> row_of_text(std::string_view body) {
  std::vector<std::string_view> columns;
  constexpr size_t kCountBytes = 2;
  for (body.remove_prefix(std::min(body.size(), kCountBytes)); body.size() >= kLengthBytes;) {
    auto length = load_big_endian<uint32_t>(body.data());
    body.remove_prefix(kLengthBytes);
    size_t here = length == UINT32_MAX ? 0 : std::min<size_t>(length, body.size());
    columns.push_back(body.substr(0, here));
    body.remove_prefix(here);
  }
  return columns;
}

std::optional<BindValues> parse_bind_values(std::string_view body) {
  ByteReader reader(body);
  std::optional<uint16_t> formats = reader.read<uint16_t>();
  size_t before = sizeof(uint16_t) * (1 + size_t{formats.value_or(0)});
  if (!formats || body.size() < before) return std::nullopt;
  return BindValues{.formats = *formats, .parameters = body.substr(before)};
}

std::optional<TransactionStatus> parse_ready_for_query(std::string_view body) {
  if (body.size() != 1 || !std::string_view("ITE").contains(body[0])) return std::nullopt;
  return static_cast<TransactionStatus>(body[0]);
}

// "Message Formats", CommandComplete. Behind the first word only commands that count rows have a
// number.
CommandKind command_kind(std::string_view tag) {
  auto counted = [tag](std::string_view name, CommandKind kind) {
    bool is_it = tag.starts_with(name) && (tag.size() == name.size() || tag[name.size()] == ' ');
    return is_it ? kind : CommandKind::other;
  };
  switch (tag.empty() ? '\0' : tag[0]) {
    case 'S':
      if (tag == "SAVEPOINT") return CommandKind::savepoint;
      if (tag == "START TRANSACTION") return CommandKind::begin;
      return counted("SELECT", CommandKind::select);
    case 'I':
      return counted("INSERT", CommandKind::insert);
    case 'U':
      return counted("UPDATE", CommandKind::update);
    case 'D':
      return counted("DELETE", CommandKind::delete_);
    case 'B':
      return tag == "BEGIN" ? CommandKind::begin : CommandKind::other;
    case 'C':
      return tag == "COMMIT" ? CommandKind::commit : CommandKind::other;
    case 'R':
      if (tag == "ROLLBACK PREPARED") return CommandKind::rollback_prepared;
      return tag == "ROLLBACK" ? CommandKind::rollback : CommandKind::other;
    case 'P':
      return tag == "PREPARE TRANSACTION" ? CommandKind::prepare_transaction : CommandKind::other;
    default:
      return CommandKind::other;
  }
}

}  // namespace trunkline::wire
