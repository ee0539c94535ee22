#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "wire/protocol.h"

// Views of message bodies that a server sends. They borrow the body. A malformed body gives nullopt
// or an empty field, never a failure: servers may be hostile or not PostgreSQL at all.
namespace trunkline::wire {

enum class Severity : uint8_t { unknown, error, fatal, panic, warning, notice, info, log, debug };
inline constexpr size_t kSeverities = static_cast<size_t>(Severity::debug) + 1;
Severity parse_severity(std::string_view text);

// The fields of an ErrorResponse or NoticeResponse (documentation 54.8). Works on a prefix of the
// body too: a field that is cut off is absent.
class ErrorFields {
 public:
  explicit ErrorFields(std::string_view body) : body_(body) {}

  // The first field with this code; nullopt when there is none.
  std::optional<std::string_view> get(char code) const;
  // Each field that is whole: `each(char code, std::string_view text)`. False: the body ends before
  // the last of them.
  template <typename Each>
  bool for_each(Each each) const {
    ByteReader reader(body_);
    while (std::optional<char> code = reader.read<char>()) {
      if (*code == '\0') return true;
      std::optional<std::string_view> text = reader.read_c_string();
      if (!text) return false;
      each(*code, *text);
    }
    return false;
  }
  // From V, which is never translated; servers before 9.6 have only S.
  Severity severity() const;
  std::string_view sqlstate() const { return get('C').value_or(""); }
  std::string_view message() const { return get('M').value_or(""); }

 private:
  std::string_view body_;
};

struct AuthenticationRequest {
  uint32_t code = 0;           // authentication::k…
  std::string_view data = {};  // salt, SASL data or mechanism list

  // The names after code kSasl, at most `kSaslMechanismsMax`; nullopt when the list does not end.
  std::optional<std::vector<std::string_view>> mechanisms() const;
};
inline constexpr size_t kSaslMechanismsMax = 16;
std::optional<AuthenticationRequest> parse_authentication(std::string_view body);

struct ParameterStatus {
  std::string_view name;
  std::string_view value;
};
std::optional<ParameterStatus> parse_parameter_status(std::string_view body);

struct BackendKeyData {
  uint32_t process_id = 0;
  std::string_view key = {};  // 4 to 256 bytes
};
std::optional<BackendKeyData> parse_backend_key_data(std::string_view body);

struct ProtocolOffer {
  uint32_t newest = 0;
  std::vector<std::string_view> unknown_options;
};
std::optional<ProtocolOffer> parse_negotiate_protocol_version(std::string_view body);

// The columns of a DataRow; those that are NULL are empty. As far as the body is well-formed.
std::vector<std::string_view> row_of_text(std::string_view body);

// Of a Bind, behind the names of portal and statement.
struct BindValues {
  uint16_t formats = 0;         // how many codes of formats came first
  std::string_view parameters;  // their count and values, as in a DataRow
};
// nullopt: it is cut off.
std::optional<BindValues> parse_bind_values(std::string_view body);

std::optional<TransactionStatus> parse_ready_for_query(std::string_view body);

// What a CommandComplete tag says was done. The tag names the command that ran: EXECUTE of a
// prepared SELECT is a select, COMMIT of a failed transaction is a rollback, and ROLLBACK TO
// SAVEPOINT cannot be told from ROLLBACK.
enum class CommandKind : uint8_t {
  other,
  select,
  insert,
  update,
  delete_,
  begin,
  commit,
  rollback,
  savepoint,
  prepare_transaction,
  rollback_prepared,
};
// `tag` is without its zero byte.
CommandKind command_kind(std::string_view tag);

}  // namespace trunkline::wire
