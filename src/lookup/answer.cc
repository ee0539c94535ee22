#include "lookup/answer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "wire/builders.h"
#include "wire/messages.h"

namespace trunkline::lookup {

namespace {

constexpr size_t kProblemBytesMax = 500;
// A name that is no text in the server's encoding.
constexpr std::string_view kCharacterNotInRepertoire = "22021";
// Of how long a password holds: as long as nothing is cached.
constexpr double kSecondsMax = 86'400;

// Half a password would be a password.
bool is_whole(std::string_view row) {
  ByteReader reader(row);
  int columns = reader.read<int16_t>().value_or(-1);
  for (int i = 0; i < columns; ++i) {
    std::optional<int32_t> bytes = reader.read<int32_t>();
    if (!bytes || *bytes < -1) return false;
    if (*bytes > 0 && !reader.read_bytes(static_cast<size_t>(*bytes))) return false;
  }
  return columns >= 0 && reader.at_end();
}

}  // namespace

std::optional<Duration> parse_seconds(std::string_view text) {
  double seconds = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || std::isnan(seconds))
    return std::nullopt;
  std::chrono::duration<double> bounded(std::clamp(seconds, 0.0, kSecondsMax));
  return std::chrono::duration_cast<Duration>(bounded);
}

std::string query_for(std::string_view query, std::string_view user) {
  std::string batch;
  const std::array<std::optional<std::string_view>, 1> parameters = {user};
  wire::append_parse(batch, "", query);
  wire::append_bind(batch, "", "", parameters);
  wire::append_execute(batch, "");
  wire::append_sync(batch);
  return batch;
}

Answer::Step Answer::on_message(char type, std::string_view body) {
  namespace from_server = wire::server_message;
  switch (type) {
    case from_server::kDataRow:
      on_row(body);
      return Step::more;
    case from_server::kErrorResponse:
      return on_error(body);
    case from_server::kReadyForQuery: {
      bool is_idle = wire::parse_ready_for_query(body) == wire::TransactionStatus::idle;
      if (!is_idle) fail("the query leaves a transaction open");
      return is_idle ? Step::complete : Step::broken;
    }
    case from_server::kParseComplete:
    case from_server::kBindComplete:
    case from_server::kCommandComplete:
    case from_server::kEmptyQueryResponse:
    case from_server::kNoticeResponse:
    case from_server::kParameterStatus:
    case from_server::kNotificationResponse:
      return Step::more;
    default:
      fail(
          fmt::format("the server answers the query with a message \"{}\"", printable({&type, 1})));
      return Step::broken;
  }
}

// The first failure is the cause.
void Answer::fail(std::string problem) {
  if (!std::exchange(failed_, true)) problem_ = std::move(problem);
}

Answer::Step Answer::on_error(std::string_view body) {
  wire::ErrorFields fields(body);
  wire::Severity severity = fields.severity();
  bool ends = severity == wire::Severity::fatal || severity == wire::Severity::panic;
  if (!ends && fields.sqlstate() == kCharacterNotInRepertoire) return Step::more;
  fail(fmt::format("{} {}", printable(fields.sqlstate(), 5),
                   printable(fields.message(), kProblemBytesMax)));
  return ends ? Step::broken : Step::more;
}

void Answer::on_row(std::string_view body) {
  if (++rows_ > 1) return fail("the query has more than one row for this user");
  if (!is_whole(body)) return fail("the server sends a malformed row");
  std::vector<std::string_view> columns = wire::row_of_text(body);
  if (columns.size() != 2 && columns.size() != 3) {
    return fail(fmt::format("the query has {} columns, not 2 or 3", columns.size()));
  }
  if (columns[0] != user_) return fail("the first column of the query is not the name asked for");
  std::optional<auth::StoredSecret> secret = auth::parse_stored_secret(columns[1]);
  if (!secret) problem_ = "the SCRAM verifier of this user is malformed: it has no password";
  secret_ = std::move(secret).value_or(auth::StoredSecret());
  if (columns.size() == 2 || columns[2].empty()) return;
  holds_for_ = parse_seconds(columns[2]);
  if (!holds_for_) return fail("the third column of the query is not a number of seconds");
  if (*holds_for_ > Duration(0)) return;
  // Expired: no password, and that does not end.
  secret_ = auth::StoredSecret();
  holds_for_.reset();
}

Answer::Kind Answer::kind() const {
  if (failed_) return Kind::failed;
  return rows_ == 0 ? Kind::nobody : Kind::found;
}

}  // namespace trunkline::lookup
