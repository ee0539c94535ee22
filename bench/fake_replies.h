#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "bench/messages.h"

namespace trunkline::bench {

constexpr size_t kBulkRowBytes = 1024;  // the whole DataRow message
constexpr size_t kBulkBlockRows = 256;

// What PostgreSQL reports at each login, and again when it changes.
constexpr size_t kParameters = 13;
constexpr std::array<std::pair<std::string_view, std::string_view>, kParameters> kDefaults = {
    {{"application_name", ""},
     {"client_encoding", "UTF8"},
     {"DateStyle", "ISO, MDY"},
     {"default_transaction_read_only", "off"},
     {"in_hot_standby", "off"},
     {"integer_datetimes", "on"},
     {"IntervalStyle", "postgres"},
     {"is_superuser", "off"},
     {"server_encoding", "UTF8"},
     {"server_version", "15.0"},
     {"session_authorization", "bench"},
     {"standard_conforming_strings", "on"},
     {"TimeZone", "UTC"}}};

// The replies that are always the same, built once.
struct Replies {
  std::string row_description =
      message('T', u16(2) + c_string("id") + u32(0) + u16(0) + u32(23) + u16(4) + u32(0xffffffff) +
                       u16(0) + c_string("name") + u32(0) + u16(0) + u32(25) + u16(0xffff) +
                       u32(0xffffffff) + u16(0));
  std::string parameters = message('t', u16(1) + u32(23));
  std::string row = message('D', u16(2) + u32(7) + "1234567" + u32(12) + "product 1234");
  std::string all_names_plain = message('D', u16(2) + u32(0) + u32(1) + "f");
  std::string row_complete = message('C', c_string("SELECT 1"));
  std::string ready = message('Z', "I");
  std::string ready_in_transaction = message('Z', "T");
  std::string parsed = message('1', "");
  std::string bound = message('2', "");
  std::string closed = message('3', "");
  std::string executed = row + row_complete;
  std::string described_row = row_description + executed;
  std::string empty = message('I', "");
  std::string bulk_description = message('T', u16(1) + c_string("row") + u32(0) + u16(0) + u32(25) +
                                                  u16(0xffff) + u32(0xffffffff) + u16(0));
  std::string bulk_block;

  Replies() {
    constexpr size_t value_bytes = kBulkRowBytes - kHeaderBytes - 2 - 4;
    std::string bulk_row = message('D', u16(1) + u32(value_bytes) + std::string(value_bytes, 'x'));
    for (size_t i = 0; i < kBulkBlockRows; ++i) bulk_block += bulk_row;
  }
};

}  // namespace trunkline::bench
