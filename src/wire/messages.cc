#include "wire/messages.h"

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

std::optional<TransactionStatus> parse_ready_for_query(std::string_view body) {
  if (body.size() != 1 || !std::string_view("ITE").contains(body[0])) return std::nullopt;
  return static_cast<TransactionStatus>(body[0]);
}

CommandTag parse_command_tag(std::string_view body) {
  static constexpr std::pair<std::string_view, CommandKind> kNames[] = {
      {"SELECT", CommandKind::select},     {"INSERT", CommandKind::insert},
      {"UPDATE", CommandKind::update},     {"DELETE", CommandKind::delete_},
      {"BEGIN", CommandKind::begin},       {"COMMIT", CommandKind::commit},
      {"ROLLBACK", CommandKind::rollback}, {"START TRANSACTION", CommandKind::begin}};
  std::string_view tag = body.substr(0, body.find('\0'));
  CommandTag result;

  // The count, if any, is the last word; INSERT has an object id before it, always 0 by now.
  size_t space = tag.rfind(' ');
  std::string_view name = tag;
  if (space != std::string_view::npos) {
    const char* end = tag.data() + tag.size();
    auto [stop, error] = std::from_chars(tag.data() + space + 1, end, result.rows);
    if (error == std::errc{} && stop == end) {
      name = tag.substr(0, tag.find(' '));
    } else {
      result.rows = 0;
    }
  }
  for (auto [known, kind] : kNames) {
    if (name == known) result.kind = kind;
  }
  return result;
}

}  // namespace trunkline::wire
