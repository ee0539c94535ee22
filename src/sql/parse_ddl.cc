#include "sql/statement_parser.h"

namespace trunkline::sql {

namespace {

bool has_word(HeadReader in, std::string_view lower) {
  for (; !in.at_end(); in.skip()) {
    if (in.is_word(lower)) return true;
  }
  return false;
}

StatementKind kind_of_create(HeadReader& in) {
  if (in.word("or")) in.word("replace");
  if (in.any_word_of({"database", "tablespace", "subscription"})) {
    return StatementKind::vacuum_like;
  }
  if (in.is_word("unique") || in.is_word("index")) {
    bool concurrently = has_word(in, "concurrently") && (in.word("unique"), in.word("index")) &&
                        in.word("concurrently");
    return concurrently ? StatementKind::vacuum_like : StatementKind::ddl;
  }
  in.any_word_of({"global", "local"});
  if (in.any_word_of({"temp", "temporary"})) return StatementKind::create_temp;
  return StatementKind::ddl;
}

StatementKind kind_of_alter(HeadReader& in) {
  if (in.any_word_of({"system", "subscription"})) return StatementKind::vacuum_like;
  if (in.word("database")) {
    // ALTER DATABASE … SET TABLESPACE
    return has_word(in, "tablespace") ? StatementKind::vacuum_like
                                      : StatementKind::alter_role_or_database;
  }
  if (in.any_word_of({"role", "user"})) {
    return in.is_word("mapping") ? StatementKind::ddl : StatementKind::alter_role_or_database;
  }
  // ALTER TABLE … DETACH PARTITION … CONCURRENTLY
  if (in.is_word("table") && has_word(in, "concurrently")) return StatementKind::vacuum_like;
  return StatementKind::ddl;
}

StatementKind kind_of_drop(HeadReader& in) {
  if (in.any_word_of({"database", "tablespace", "subscription"})) {
    return StatementKind::vacuum_like;
  }
  if (in.word("index") && in.is_word("concurrently")) return StatementKind::vacuum_like;
  return StatementKind::ddl;
}

StatementKind kind_of_ddl(HeadReader& in, std::string_view first) {
  if (first == "create") return kind_of_create(in);
  if (first == "alter") return kind_of_alter(in);
  if (first == "drop") return kind_of_drop(in);
  // REINDEX and CLUSTER may not when they are about many tables, and partitions count.
  for (std::string_view word : {"vacuum", "reindex", "cluster"}) {
    if (first == word) return StatementKind::vacuum_like;
  }
  for (std::string_view word : {"grant", "revoke", "comment", "truncate", "refresh", "security",
                                "import", "reassign", "analyze", "analyse"}) {
    if (first == word) return StatementKind::ddl;
  }
  return StatementKind::other;
}

}  // namespace

void take_created_as_execute(HeadReader& in, Statement& into) {
  for (; !in.at_end(); in.skip()) {
    if (in.is_word("as") && in.is_word("execute", 1)) {
      in.skip();
      in.skip();
      take_prepared(in, into);
      return;
    }
  }
}

void parse_ddl(HeadReader& in, std::string_view first, Statement& into) {
  HeadReader rest = in;
  into.kind = kind_of_ddl(in, first);
  if (first == "create") take_created_as_execute(rest, into);
}

StatementKind kind_of_copy(HeadReader& in) {
  in.word("binary");
  if (in.is_symbol('(')) {
    if (!in.parenthesis()) return StatementKind::other;
  } else {
    do {
      if (!in.name()) return StatementKind::other;
    } while (in.symbol('.'));
    if (in.is_symbol('(') && !in.parenthesis()) return StatementKind::other;
  }
  bool from = in.is_word("from");
  if (!in.any_word_of({"from", "to"})) return StatementKind::other;
  // Either word is taken for either direction.
  if (in.any_word_of({"stdin", "stdout"})) {
    return from ? StatementKind::copy_in : StatementKind::copy_out;
  }
  return StatementKind::copy_server;
}

}  // namespace trunkline::sql
