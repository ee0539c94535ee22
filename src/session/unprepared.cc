#include "session/unprepared.h"

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"
#include "sql/text_search.h"
#include "wire/messages.h"

namespace trunkline::session {

namespace {

using sql::StatementKind;

// None of them has columns (utility.c: UtilityReturnsTuples).
constexpr sql::KindSet kWithoutColumns = {
    StatementKind::begin,
    StatementKind::savepoint,
    StatementKind::release,
    StatementKind::commit_prepared,
    StatementKind::rollback_prepared,
    StatementKind::set,
    StatementKind::set_transaction,
    StatementKind::set_session_characteristics,
    StatementKind::set_role,
    StatementKind::set_session_authorization,
    StatementKind::set_constraints,
    StatementKind::reset,
    StatementKind::reset_all,
    StatementKind::discard_all,
    StatementKind::discard_plans,
    StatementKind::discard_sequences,
    StatementKind::discard_temp,
    StatementKind::listen,
    StatementKind::unlisten,
    StatementKind::unlisten_all,
    StatementKind::notify,
    StatementKind::deallocate,
    StatementKind::deallocate_all,
    StatementKind::declare,
    StatementKind::move,
    StatementKind::close,
    StatementKind::close_all,
    StatementKind::copy_in,
    StatementKind::copy_out,
    StatementKind::copy_server,
    StatementKind::lock,
    StatementKind::do_,
    StatementKind::vacuum_like,
    StatementKind::create_temp,
    StatementKind::alter_role_or_database,
    StatementKind::ddl,
    StatementKind::load,
    StatementKind::checkpoint,
};
// They have those of RETURNING.
constexpr sql::KindSet kWriting = {StatementKind::insert, StatementKind::update,
                                   StatementKind::delete_, StatementKind::merge};

// Behind the text of a Parse. What SQL's PREPARE has, or what was prepared by it, is not in them.
std::optional<std::string_view> declared_types(const pool::Statement& statement) {
  bool known = !statement.is_long && !statement.sql_types && statement.facts != nullptr &&
               !statement.facts->has(StatementKind::prepare);
  size_t text_end = statement.parse.find('\0');
  if (!known || text_end == std::string::npos) return std::nullopt;
  return std::string_view(statement.parse).substr(text_end + 1);
}

// Those with a type in the Parse, and those in the text.
std::optional<uint32_t> parameter_count(const pool::Statement& statement, sql::Syntax syntax) {
  std::optional<std::string_view> types = declared_types(statement);
  if (!types) return std::nullopt;
  std::optional<uint16_t> declared = ByteReader(*types).read<uint16_t>();
  if (!declared) return std::nullopt;
  return std::max<uint32_t>(*declared, sql::highest_parameter(statement.text(), syntax));
}

bool has_no_columns(const pool::Statement& statement, sql::Syntax syntax) {
  const sql::TextFacts& facts = *statement.facts;
  if (facts.statement_count() != 1 || facts.is_malformed()) return false;
  return facts.kinds().is_within(kWithoutColumns) ||
         (facts.kinds().is_within(kWriting) &&
          !sql::has_word(statement.text(), syntax, "returning"));
}

// Or else the server has made up its own mind about a type.
bool declares_all(std::string_view types, uint32_t parameters) {
  ByteReader reader(types);
  uint16_t declared = reader.read<uint16_t>().value_or(0);
  if (declared != parameters) return false;
  for (uint16_t i = 0; i < declared; ++i) {
    if (reader.read<uint32_t>().value_or(0) == 0) return false;
  }
  return true;
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

std::optional<std::string> described_alike(const pool::Statement& statement, sql::Syntax syntax) {
  std::optional<std::string_view> types = declared_types(statement);
  std::optional<uint32_t> parameters = parameter_count(statement, syntax);
  if (!types || !parameters || !has_no_columns(statement, syntax) ||
      !declares_all(*types, *parameters)) {
    return std::nullopt;
  }
  return '\0' + std::string(*types);
}

}  // namespace trunkline::session
