#include "wire/startup.h"

#include <algorithm>
#include <unordered_map>

#include "base/bytes.h"
#include "base/text.h"

namespace trunkline::wire {
namespace {

Error startup_error(std::string_view sqlstate, std::string message, std::string hint = {}) {
  return {.reason = Reason::client_protocol_error,
          .side = Side::client,
          .sqlstate = sqlstate,
          .message = std::move(message),
          .hint = std::move(hint)};
}

Result<ReplicationMode> parse_replication(std::string_view value) {
  if (value == "database") return ReplicationMode::database;
  std::optional<bool> on = parse_bool(value);
  if (on) return *on ? ReplicationMode::physical : ReplicationMode::none;
  return fail(
      startup_error(sqlstate::kInvalidParameterValue,
                    "invalid value for parameter \"replication\": \"" + std::string(value) + "\"",
                    R"(Valid values are: "false", 0, "true", 1, "database".)"));
}

// Collects name and value pairs. A map beside the list keeps a packet full of different names (some
// 2,500 fit) from costing quadratic time before anybody is authenticated.
class Collector {
 public:
  Result<> add(std::string_view name, std::string_view value) {
    if (name == "user") {
      packet_.user = value;
    } else if (name == "database") {
      packet_.database = value;
    } else if (name == "options") {
      packet_.options = value;
    } else if (name == "replication") {
      Result<ReplicationMode> mode = parse_replication(value);
      if (!mode) return fail(std::move(mode.error()));
      packet_.replication = *mode;
    } else if (name.starts_with(kProtocolOptionPrefix)) {
      packet_.protocol_options.emplace_back(name);
    } else {
      add_setting(name, value);
    }
    return {};
  }

  StartupPacket finish(uint32_t version) && {
    packet_.major = major_of(version);
    packet_.minor = minor_of(version);
    // A plain cut, also inside a UTF-8 character: the server does the same.
    packet_.user.resize(std::min<size_t>(packet_.user.size(), kNameBytesMax));
    packet_.database.resize(std::min<size_t>(packet_.database.size(), kNameBytesMax));
    if (packet_.database.empty()) packet_.database = packet_.user;
    if (packet_.replication == ReplicationMode::physical) packet_.database.clear();
    return std::move(packet_);
  }

 private:
  // Names of settings are compared without case, as the server does.
  void add_setting(std::string_view name, std::string_view value) {
    auto [at, is_new] = places_.try_emplace(to_lower(name), packet_.parameters.size());
    if (is_new) {
      packet_.parameters.emplace_back(name, value);
    } else {
      packet_.parameters[at->second].second = value;
    }
    if (at->first == "application_name") packet_.application_name = value;
  }

  StartupPacket packet_;
  std::unordered_map<std::string, size_t> places_;
};

}  // namespace

std::optional<bool> parse_bool(std::string_view text) {
  auto abbreviates = [&](std::string_view word, size_t at_least) {
    return text.size() >= at_least && text.size() <= word.size() &&
           equal_ignoring_case(text, word.substr(0, text.size()));
  };
  if (abbreviates("true", 1) || abbreviates("yes", 1) || abbreviates("on", 2) || text == "1") {
    return true;
  }
  if (abbreviates("false", 1) || abbreviates("no", 1) || abbreviates("off", 2) || text == "0") {
    return false;
  }
  return std::nullopt;
}

Error unsupported_protocol(uint32_t version) {
  return startup_error(sqlstate::kFeatureNotSupported,
                       "unsupported frontend protocol " + std::to_string(major_of(version)) + "." +
                           std::to_string(minor_of(version)) + ": server supports 3.0 to 3." +
                           std::to_string(kProtocolMinorMax));
}

Result<StartupPacket> parse_startup(std::string_view body) {
  ByteReader reader(body);
  uint32_t version = reader.read<uint32_t>().value_or(0);
  if (major_of(version) != kProtocolMajor) return fail(unsupported_protocol(version));

  Collector collector;
  bool complete = false;
  while (!reader.at_end()) {
    std::optional<std::string_view> name = reader.read_c_string();
    if (!name) break;
    if (name->empty()) {
      complete = reader.at_end();
      break;
    }
    // A value that lacks its zero byte is still looked at by the server, which pads the packet; an
    // error in it comes before the one about the layout.
    std::optional<std::string_view> value = reader.read_c_string();
    if (!value && reader.rest().empty()) break;
    Result<> added = collector.add(*name, value.value_or(reader.rest()));
    if (!added) return fail(std::move(added.error()));
    if (!value) break;
  }
  if (!complete) {
    return fail(startup_error(sqlstate::kProtocolViolation,
                              "invalid startup packet layout: expected terminator as last byte"));
  }
  return std::move(collector).finish(version);
}

Result<> check_user(const StartupPacket& packet) {
  if (!packet.user.empty()) return {};
  return fail(startup_error(sqlstate::kInvalidAuthorization,
                            "no PostgreSQL user name specified in startup packet"));
}

Negotiation negotiate(const StartupPacket& packet) {
  return {.minor = std::min(packet.minor, kProtocolMinorMax),
          .must_answer = packet.minor > kProtocolMinorMax || !packet.protocol_options.empty()};
}

void append_startup(std::string& out, uint32_t version,
                    const std::vector<std::pair<std::string_view, std::string_view>>& parameters) {
  size_t start = out.size();
  append_big_endian<uint32_t>(out, 0);
  append_big_endian(out, version);
  for (auto [name, value] : parameters) {
    out.append(name).push_back('\0');
    out.append(value).push_back('\0');
  }
  out.push_back('\0');
  store_big_endian(out.data() + start, static_cast<uint32_t>(out.size() - start));
}

}  // namespace trunkline::wire
