#include "wire/builders.h"

#include <cassert>

#include "base/bytes.h"

namespace trunkline::wire {
namespace {

void append_report(std::string& out, char type, std::span<const ErrorField> fields) {
  MessageBuilder message(out, type);
  for (const ErrorField& field : fields) message.byte(field.code).c_string(field.text);
  message.byte('\0');
}

void append_error_object(std::string& out, std::string_view severity, const Error& error) {
  MessageBuilder message(out, server_message::kErrorResponse);
  message.byte('S').c_string(severity).byte('V').c_string(severity);
  message.byte('C').c_string(error.sqlstate).byte('M').c_string(error.message);
  if (!error.detail.empty()) message.byte('D').c_string(error.detail);
  if (!error.hint.empty()) message.byte('H').c_string(error.hint);
  message.byte('\0');
}

}  // namespace

MessageBuilder::MessageBuilder(std::string& out, char type)
    : out_(out), length_at_(out.size() + 1) {
  out.push_back(type);
  append_big_endian<uint32_t>(out, 0);
}

MessageBuilder::~MessageBuilder() {
  store_big_endian(out_.data() + length_at_, static_cast<uint32_t>(out_.size() - length_at_));
}

MessageBuilder& MessageBuilder::byte(char value) {
  out_.push_back(value);
  return *this;
}

MessageBuilder& MessageBuilder::int16(uint16_t value) {
  append_big_endian(out_, value);
  return *this;
}

MessageBuilder& MessageBuilder::int32(uint32_t value) {
  append_big_endian(out_, value);
  return *this;
}

MessageBuilder& MessageBuilder::bytes(std::string_view value) {
  out_.append(value);
  return *this;
}

MessageBuilder& MessageBuilder::c_string(std::string_view value) {
  out_.append(value.substr(0, value.find('\0')));
  out_.push_back('\0');
  return *this;
}

void append_error_response(std::string& out, std::span<const ErrorField> fields) {
  append_report(out, server_message::kErrorResponse, fields);
}

void append_notice_response(std::string& out, std::span<const ErrorField> fields) {
  append_report(out, server_message::kNoticeResponse, fields);
}

void append_fatal(std::string& out, const Error& error) {
  append_error_object(out, "FATAL", error);
}

void append_error(std::string& out, const Error& error) {
  append_error_object(out, "ERROR", error);
}

void append_notice(std::string& out, std::string_view severity, std::string_view sqlstate,
                   std::string_view message) {
  const ErrorField fields[] = {{'S', severity}, {'V', severity}, {'C', sqlstate}, {'M', message}};
  append_notice_response(out, fields);
}

void append_authentication_ok(std::string& out) {
  MessageBuilder(out, server_message::kAuthentication).int32(authentication::kOk);
}

void append_authentication_cleartext(std::string& out) {
  MessageBuilder(out, server_message::kAuthentication).int32(authentication::kCleartextPassword);
}

void append_authentication_md5(std::string& out, std::string_view salt) {
  assert(salt.size() == 4);
  MessageBuilder message(out, server_message::kAuthentication);
  message.int32(authentication::kMd5Password).bytes(salt);
}

void append_authentication_sasl(std::string& out, std::span<const std::string_view> mechanisms) {
  MessageBuilder message(out, server_message::kAuthentication);
  message.int32(authentication::kSasl);
  for (std::string_view mechanism : mechanisms) message.c_string(mechanism);
  message.byte('\0');
}

void append_authentication_sasl_continue(std::string& out, std::string_view data) {
  MessageBuilder message(out, server_message::kAuthentication);
  message.int32(authentication::kSaslContinue).bytes(data);
}

void append_authentication_sasl_final(std::string& out, std::string_view data) {
  MessageBuilder message(out, server_message::kAuthentication);
  message.int32(authentication::kSaslFinal).bytes(data);
}

void append_parameter_status(std::string& out, std::string_view name, std::string_view value) {
  MessageBuilder(out, server_message::kParameterStatus).c_string(name).c_string(value);
}

void append_backend_key_data(std::string& out, uint32_t process_id, std::string_view key) {
  assert(key.size() >= kCancelKeyBytesMin && key.size() <= kCancelKeyBytesMax);
  MessageBuilder(out, server_message::kBackendKeyData).int32(process_id).bytes(key);
}

void append_ready_for_query(std::string& out, TransactionStatus status) {
  MessageBuilder(out, server_message::kReadyForQuery).byte(static_cast<char>(status));
}

void append_negotiate_protocol_version(std::string& out, uint32_t newest,
                                       const std::vector<std::string>& unknown_options) {
  MessageBuilder message(out, server_message::kNegotiateProtocolVersion);
  message.int32(newest).int32(static_cast<uint32_t>(unknown_options.size()));
  for (const std::string& option : unknown_options) message.c_string(option);
}

void append_password(std::string& out, std::string_view password_or_hash) {
  MessageBuilder(out, client_message::kPassword).c_string(password_or_hash);
}

void append_sasl_initial_response(std::string& out, std::string_view mechanism,
                                  std::string_view data) {
  MessageBuilder message(out, client_message::kPassword);
  message.c_string(mechanism).int32(static_cast<uint32_t>(data.size())).bytes(data);
}

void append_sasl_response(std::string& out, std::string_view data) {
  MessageBuilder(out, client_message::kPassword).bytes(data);
}

void append_query(std::string& out, std::string_view sql) {
  MessageBuilder(out, client_message::kQuery).c_string(sql);
}

void append_parse(std::string& out, std::string_view statement, std::string_view sql) {
  MessageBuilder(out, client_message::kParse).c_string(statement).c_string(sql).int16(0);
}

void append_bind(std::string& out, std::string_view portal, std::string_view statement,
                 std::span<const std::optional<std::string_view>> parameters) {
  MessageBuilder bind(out, client_message::kBind);
  bind.c_string(portal).c_string(statement).int16(0);
  bind.int16(static_cast<uint16_t>(parameters.size()));
  for (const std::optional<std::string_view>& each : parameters) {
    if (!each) {
      bind.int32(UINT32_MAX);
      continue;
    }
    bind.int32(static_cast<uint32_t>(each->size())).bytes(*each);
  }
  bind.int16(0);
}

void append_describe_statement(std::string& out, std::string_view statement) {
  MessageBuilder(out, client_message::kDescribe).byte('S').c_string(statement);
}

void append_execute(std::string& out, std::string_view portal) {
  MessageBuilder(out, client_message::kExecute).c_string(portal).int32(0);
}

void append_close_statement(std::string& out, std::string_view statement) {
  MessageBuilder(out, client_message::kClose).byte('S').c_string(statement);
}

void append_sync(std::string& out) {
  MessageBuilder(out, client_message::kSync);
}

void append_terminate(std::string& out) {
  MessageBuilder(out, client_message::kTerminate);
}

void append_ssl_request(std::string& out) {
  append_big_endian<uint32_t>(out, kStartupLengthMin);
  append_big_endian(out, kSslRequestCode);
}

void append_cancel_request(std::string& out, uint32_t process_id, std::string_view key) {
  assert(key.size() >= kCancelKeyBytesMin && key.size() <= kCancelKeyBytesMax);
  append_big_endian<uint32_t>(out, static_cast<uint32_t>(12 + key.size()));
  append_big_endian(out, kCancelRequestCode);
  append_big_endian(out, process_id);
  out.append(key);
}

}  // namespace trunkline::wire
