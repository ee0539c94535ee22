#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "wire/protocol.h"

namespace trunkline::wire {

// Which conversation the client asks for (documentation 54.4, streaming replication).
enum class ReplicationMode : uint8_t {
  none,
  physical,  // replication=true: no database
  database,  // replication=database: SQL and replication commands
};

using Parameter = std::pair<std::string, std::string>;

// A client's StartupMessage, as the server would understand it: names cut to 63 bytes, the database
// defaulted to the user (and empty for physical replication), of duplicates the last value.
struct StartupPacket {
  uint16_t major = 0;
  uint16_t minor = 0;
  std::string user;
  std::string database;
  std::string application_name;        // also one of `parameters`; here for logs and routes
  std::optional<std::string> options;  // command-line options for the backend
  ReplicationMode replication = ReplicationMode::none;
  std::vector<Parameter> parameters;          // all others, in the order of their first mention
  std::vector<std::string> protocol_options;  // names that begin with "_pq_.", in order, as sent
};

// What is wrong goes to the client as FATAL, in PostgreSQL's words. A packet that names no user is
// read to its end first (`user` is empty then), because NegotiateProtocolVersion precedes that
// error: call `check_user` after sending it. `body` is the packet without its length word.
Result<StartupPacket> parse_startup(std::string_view body);
Result<> check_user(const StartupPacket& packet);

// "unsupported frontend protocol 4.0: server supports 3.0 to 3.2"
Error unsupported_protocol(uint32_t version);

struct Negotiation {
  uint16_t minor = 0;        // what both sides speak from here on
  bool must_answer = false;  // NegotiateProtocolVersion goes out before the first Authentication

  uint32_t version() const { return protocol_version(kProtocolMajor, minor); }
  bool long_cancel_key() const { return minor >= kLongCancelKeyMinor; }
};
// Documentation 54.2.1: any minor version the client asks for is answered with the newest we have
// that is not newer; all protocol options are unknown to us.
Negotiation negotiate(const StartupPacket& packet);

// Builds the packet that begins a connection to a server, length word included. Values hold no zero
// byte.
void append_startup(std::string& out, uint32_t version,
                    const std::vector<std::pair<std::string_view, std::string_view>>& parameters);

// PostgreSQL's reading of a boolean: on, off, true, false, yes, no, 1, 0 and unique prefixes.
std::optional<bool> parse_bool(std::string_view text);

}  // namespace trunkline::wire
