#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sql/identifier.h"
#include "sql/statement_kind.h"
#include "sql/suspicions.h"

namespace trunkline::sql {

// Bytes of the text.
struct Span {
  uint64_t offset = 0;
  uint64_t length = 0;

  bool operator==(const Span&) const = default;
};

// What SET gives its setting.
struct SettingValue {
  enum class Kind : uint8_t {
    none,  // not a SET
    given,
    to_default,
    from_current,
    unknown,  // not to be told without the server
  };
  Kind kind = Kind::none;
  // As the server itself would write the arguments down, and as set_config() takes it
  // (flatten_set_variable_args in guc_funcs.c). The server may still refuse or normalise it.
  std::string text;

  bool operator==(const SettingValue&) const = default;
};

// Of BEGIN, SET TRANSACTION and SET SESSION CHARACTERISTICS; the last of each kind counts.
struct TransactionModes {
  enum class Isolation : uint8_t {
    read_uncommitted,
    read_committed,
    repeatable_read,
    serializable
  };
  std::optional<Isolation> isolation;
  std::optional<bool> read_only;
  std::optional<bool> deferrable;
  bool has_snapshot = false;  // SET TRANSACTION SNAPSHOT
  // False if there was something else: a syntax error, or what a later PostgreSQL knows.
  bool is_certain = true;

  bool operator==(const TransactionModes&) const = default;
};

// One statement of a text: plain data. It is what the words say; the server may still refuse it.
struct Statement {
  StatementKind kind = StatementKind::empty;
  // SET LOCAL; not SET TRANSACTION, which always is.
  bool is_local = false;
  bool with_hold = false;
  bool and_chain = false;
  // It is not written as it must be, or its beginning is longer than is kept: the fields below may
  // be empty. Where they would be needed, treat it as opaque.
  bool is_malformed = false;
  Suspicions suspicions;

  // From its first token to its last: neither comments around it nor the semicolon belong to it.
  Span span;
  // Its place among the statements of the text that are not empty, from 0.
  uint64_t index = 0;

  // Of the prepared statement (of EXPLAIN EXECUTE and CREATE TABLE AS EXECUTE, too), cursor,
  // savepoint or channel, also of a prepared transaction. Of a setting, in lower case (the server
  // looks settings up without regard to case).
  Name name;
  Span name_span;  // as it was written; not of settings and prepared transactions
  // Of SET; of NOTIFY, the payload.
  SettingValue value;
  TransactionModes modes;
  // Of set_config('name', …), in lower case. Of DO, what in its text may be names of settings that
  // applications make up ("my.tenant"), as far as there are not many.
  std::vector<std::string> settings;
  // Of those that applications make up, what it asks for by name, see `Suspicion::reads_setting`.
  std::vector<std::string> asked_settings;
  // Until the text is known whole, see `TextFacts::names`.
  std::string names;
  // Of set_config($1, …): the parameters that name the settings, where nothing else may; see
  // `TextFacts::with_settings`.
  std::vector<uint16_t> bound_settings;

  // PREPARE: the parameter types, EXECUTE: the arguments; both without their parentheses.
  Span arguments;
  // PREPARE, DECLARE, EXPLAIN: the statement within.
  Span body;

  bool operator==(const Statement&) const = default;
};

}  // namespace trunkline::sql
