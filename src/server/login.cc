#include "server/login.h"

#include "base/bytes.h"
#include "base/text.h"
#include "server/error_response.h"
#include "wire/builders.h"
#include "wire/messages.h"
#include "wire/protocol.h"
#include "wire/startup.h"

namespace trunkline::server {

namespace {

Refusal protocol_error(std::string what) {
  return {{.reason = Reason::server_protocol_error,
           .side = Side::server,
           .sqlstate = sqlstate::kProtocolViolation,
           .message = "server broke the protocol during login: " + std::move(what)}};
}

// The message type of all answers: PasswordMessage, SASLInitialResponse, SASLResponse.
Secret password_message(std::string_view payload) {
  std::string message;
  message.reserve(wire::kHeaderBytes + payload.size());  // growing would leave copies behind
  wire::append_sasl_response(message, payload);
  Secret secret(message);
  wipe(message);
  return secret;
}

}  // namespace

Login::Login(auth::Credentials credentials, auth::ServerChannel channel, auth::KeyCache& cache,
             Parameters parameters, wire::MessageTally* tally)
    : user_(credentials.user),
      auth_(std::move(credentials), std::move(channel), cache),
      parameters_(std::move(parameters)),
      tally_(tally) {}

// Version 3.0: the only thing newer ones change is the length of the cancel key, which stays
// between us and the server, and servers before 2018 cannot negotiate.
Login::Step Login::start() const {
  std::vector<std::pair<std::string_view, std::string_view>> all = {{"user", user_}};
  for (const auto& [name, value] : parameters_) all.emplace_back(name, value);
  std::string packet;
  wire::append_startup(packet, wire::kProtocol30, all);
  return Send{Secret(packet)};
}

Login::Step Login::on_message(char type, std::string_view body, std::string_view message) {
  if (tally_ != nullptr) tally_->add(type, body);
  namespace from_server = wire::server_message;
  bool last = type == from_server::kErrorResponse || type == from_server::kReadyForQuery;
  heard_bytes_ += last ? 0 : message.size();
  if (heard_bytes_ > kGreetingBytesMax) return protocol_error("it says too much");
  switch (type) {
    case from_server::kAuthentication:
      return on_authentication(body);
    case from_server::kErrorResponse:
      if (!wire::ErrorFields(body).get('M')) return protocol_error("malformed ErrorResponse");
      return Refusal{error_from_response(
                         body, authenticated_ ? Reason::server_error : Reason::server_auth_failed),
                     std::string(message)};
    case from_server::kNegotiateProtocolVersion:
      return Wait{};  // to a request for 3.0 without options: nothing was refused
    case from_server::kNoticeResponse:
    case from_server::kParameterStatus:
      greeting_ += message;
      return Wait{};
    case from_server::kBackendKeyData:
      return on_key_data(body);
    case from_server::kReadyForQuery:
      if (!authenticated_) return protocol_error("ReadyForQuery came before AuthenticationOk");
      if (wire::parse_ready_for_query(body) != wire::TransactionStatus::idle) {
        return protocol_error("malformed ReadyForQuery");
      }
      return Ready{};
    default:
      return protocol_error("unexpected message \"" + printable({&type, 1}) + "\"");
  }
}

Login::Step Login::on_authentication(std::string_view body) {
  ByteReader reader(body);
  std::optional<int32_t> code = reader.read<int32_t>();
  if (!code || authenticated_) return protocol_error("unexpected authentication request");
  return after(auth_.on_request(*code, reader.rest()));
}

Login::Step Login::on_derived(auth::KeyDerivation done) {
  return after(auth_.on_derived(std::move(done)));
}

Login::Step Login::after(auth::ServerAuth::Step step) {
  if (auto* send = std::get_if<auth::ServerAuth::Send>(&step)) {
    return Send{password_message(send->payload.reveal())};
  }
  if (auto* derive = std::get_if<auth::ServerAuth::Derive>(&step))
    return Derive{std::move(derive->work)};
  if (auto* error = std::get_if<Error>(&step)) return Refusal{std::move(*error)};
  if (std::holds_alternative<auth::ServerAuth::Done>(step)) authenticated_ = true;
  return Wait{};
}

Login::Step Login::on_key_data(std::string_view body) {
  ByteReader reader(body);
  std::optional<uint32_t> process_id = reader.read<uint32_t>();
  size_t key_bytes = reader.rest().size();
  if (!process_id || key_bytes < wire::kCancelKeyBytesMin || key_bytes > wire::kCancelKeyBytesMax) {
    return protocol_error("malformed BackendKeyData");
  }
  cancel_key_ = {*process_id, std::string(reader.rest())};
  return Wait{};
}

}  // namespace trunkline::server
