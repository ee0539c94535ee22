#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "wire/builders.h"

// What a server answers, for the tests of this module.
namespace trunkline::lookup {

// nullptr is NULL.
inline std::string row_of(const std::vector<const char*>& columns) {
  std::string bytes;
  wire::MessageBuilder message(bytes, wire::server_message::kDataRow);
  message.int16(static_cast<uint16_t>(columns.size()));
  for (const char* column : columns) {
    message.int32(column == nullptr ? UINT32_MAX : static_cast<uint32_t>(std::strlen(column)));
    if (column != nullptr) message.bytes(column);
  }
  return bytes;
}

inline std::string ready() {
  std::string bytes;
  wire::append_ready_for_query(bytes, wire::TransactionStatus::idle);
  return bytes;
}

// To one batch: ParseComplete, BindComplete, the rows, CommandComplete, ReadyForQuery.
inline std::string answer_of(const std::vector<std::vector<const char*>>& rows) {
  std::string bytes;
  {
    wire::MessageBuilder message(bytes, wire::server_message::kParseComplete);
  }
  {
    wire::MessageBuilder message(bytes, wire::server_message::kBindComplete);
  }
  for (const auto& row : rows) bytes += row_of(row);
  {
    wire::MessageBuilder message(bytes, wire::server_message::kCommandComplete);
    message.c_string("SELECT 1");
  }
  return bytes + ready();
}

inline std::string error_of(std::string_view severity, std::string_view sqlstate,
                            std::string_view text) {
  std::string bytes;
  const wire::ErrorField fields[] = {
      {'S', severity}, {'V', severity}, {'C', sqlstate}, {'M', text}};
  wire::append_error_response(bytes, fields);
  return bytes;
}

}  // namespace trunkline::lookup
