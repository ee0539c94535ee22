#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "wire/protocol.h"

// Builds messages at the end of a string. Text holds no zero byte: it comes from the configuration,
// from our own code or from C strings of the wire; a zero byte would end the field early for the
// reader, so `append_*` cuts the text there.
namespace trunkline::wire {

// Writes a message's header, and its length when destroyed.
class MessageBuilder {
 public:
  MessageBuilder(std::string& out, char type);
  ~MessageBuilder();
  MessageBuilder(const MessageBuilder&) = delete;
  MessageBuilder& operator=(const MessageBuilder&) = delete;

  MessageBuilder& byte(char value);
  MessageBuilder& int16(uint16_t value);
  MessageBuilder& int32(uint32_t value);
  MessageBuilder& bytes(std::string_view value);
  MessageBuilder& c_string(std::string_view value);

 private:
  std::string& out_;
  const size_t length_at_;
};

// A field of ErrorResponse or NoticeResponse (documentation 54.8), e.g. {'M', "text"}.
struct ErrorField {
  char code;
  std::string_view text;
};

// From the proxy to a client.
void append_error_response(std::string& out, std::span<const ErrorField> fields);
void append_notice_response(std::string& out, std::span<const ErrorField> fields);
// An ErrorResponse that ends the session, or that ends a statement only.
void append_fatal(std::string& out, const Error& error);
void append_error(std::string& out, const Error& error);
void append_notice(std::string& out, std::string_view severity, std::string_view sqlstate,
                   std::string_view message);
void append_authentication_ok(std::string& out);
void append_authentication_cleartext(std::string& out);
void append_authentication_md5(std::string& out, std::string_view salt);  // 4 bytes
void append_authentication_sasl(std::string& out, std::span<const std::string_view> mechanisms);
void append_authentication_sasl_continue(std::string& out, std::string_view data);
void append_authentication_sasl_final(std::string& out, std::string_view data);
void append_parameter_status(std::string& out, std::string_view name, std::string_view value);
void append_backend_key_data(std::string& out, uint32_t process_id, std::string_view key);
void append_ready_for_query(std::string& out, TransactionStatus status);
void append_negotiate_protocol_version(std::string& out, uint32_t newest,
                                       const std::vector<std::string>& unknown_options);

// From the proxy to a server.
void append_password(std::string& out, std::string_view password_or_hash);
void append_sasl_initial_response(std::string& out, std::string_view mechanism,
                                  std::string_view data);
void append_sasl_response(std::string& out, std::string_view data);
void append_query(std::string& out, std::string_view sql);
// An empty name is that of the unnamed statement or portal. Parameters are text, nullopt is NULL;
// their types are inferred, results come as text.
void append_parse(std::string& out, std::string_view statement, std::string_view sql);
void append_bind(std::string& out, std::string_view portal, std::string_view statement,
                 std::span<const std::optional<std::string_view>> parameters);
void append_describe_statement(std::string& out, std::string_view statement);
void append_execute(std::string& out, std::string_view portal);
void append_close_statement(std::string& out, std::string_view statement);
void append_sync(std::string& out);
void append_terminate(std::string& out);
void append_ssl_request(std::string& out);
void append_cancel_request(std::string& out, uint32_t process_id, std::string_view key);

}  // namespace trunkline::wire
