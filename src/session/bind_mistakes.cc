#include "session/bind_mistakes.h"

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"
#include "sql/parameters.h"
#include "wire/messages.h"

namespace trunkline::session {

namespace {

// Those with a type in the Parse, and those in the text. What SQL's PREPARE has, or what it was
// prepared by, the server alone knows.
std::optional<uint32_t> parameter_count(const pool::Statement& statement, sql::Syntax syntax) {
  bool known = !statement.is_long && !statement.sql_types && statement.facts != nullptr &&
               !statement.facts->has(sql::StatementKind::prepare);
  size_t text_end = statement.parse.find('\0');
  if (!known || text_end == std::string::npos) return std::nullopt;
  ByteReader types(std::string_view(statement.parse).substr(text_end + 1));
  std::optional<uint16_t> declared = types.read<uint16_t>();
  if (!declared) return std::nullopt;
  return std::max<uint32_t>(*declared, sql::highest_parameter(statement.text(), syntax));
}

}  // namespace

std::optional<std::string> mistake_of_bind(const pool::Statement& statement, std::string_view name,
                                           std::string_view values, sql::Syntax syntax) {
  std::optional<wire::BindValues> bound = wire::parse_bind_values(values);
  if (!bound) return std::nullopt;
  std::optional<uint16_t> given = ByteReader(bound->parameters).read<uint16_t>();
  if (!given) return std::nullopt;
  if (bound->formats > 1 && bound->formats != *given) {
    return "bind message has " + std::to_string(bound->formats) + " parameter formats but " +
           std::to_string(*given) + " parameters";
  }
  std::optional<uint32_t> required = parameter_count(statement, syntax);
  if (!required || *required == *given) return std::nullopt;
  return "bind message supplies " + std::to_string(*given) +
         " parameters, but prepared statement \"" + std::string(name) + "\" requires " +
         std::to_string(*required);
}

}  // namespace trunkline::session
