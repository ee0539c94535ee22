#include "sql/statement_parser.h"

namespace trunkline::sql {

namespace {

void expect_end(const HeadReader& in, Statement& into) {
  into.is_malformed |= !in.at_true_end();
}

void parse_chain(HeadReader& in, Statement& into) {
  if (in.word("and")) {
    into.and_chain = !in.word("no");
    into.is_malformed |= !in.word("chain");
  }
  expect_end(in, into);
}

void parse_prepared(HeadReader& in, StatementKind kind, Statement& into) {
  into.kind = kind;
  auto gid = in.string();
  into.is_malformed |= !gid.has_value();
  if (gid) into.name = {.text = gid->text, .is_certain = gid->known};
  expect_end(in, into);
}

bool parse_mode(HeadReader& in, TransactionModes& into) {
  using Isolation = TransactionModes::Isolation;
  if (in.word("isolation")) {
    if (!in.word("level")) return false;
    if (in.word("serializable")) {
      into.isolation = Isolation::serializable;
      return true;
    }
    if (in.word("repeatable")) {
      into.isolation = Isolation::repeatable_read;
      return in.word("read");
    }
    if (!in.word("read")) return false;
    into.isolation =
        in.is_word("committed") ? Isolation::read_committed : Isolation::read_uncommitted;
    return in.any_word_of({"committed", "uncommitted"});
  }
  if (in.word("read")) {
    into.read_only = in.is_word("only");
    return in.any_word_of({"only", "write"});
  }
  into.deferrable = !in.word("not");
  return in.word("deferrable");
}

}  // namespace

// The commas between them are optional.
void parse_modes(HeadReader& in, TransactionModes& into) {
  while (!in.at_end()) {
    TransactionModes next = into;
    if (!parse_mode(in, next)) {
      into.is_certain = false;
      return;
    }
    into = next;
    in.symbol(',');
  }
  into.is_certain &= in.at_true_end();
}

void parse_begin(HeadReader& in, Statement& into) {
  into.kind = StatementKind::begin;
  in.any_word_of({"work", "transaction"});
  parse_modes(in, into.modes);
  into.is_malformed |= !into.modes.is_certain;
}

void parse_commit(HeadReader& in, Statement& into) {
  if (in.word("prepared")) return parse_prepared(in, StatementKind::commit_prepared, into);
  into.kind = StatementKind::commit;
  in.any_word_of({"work", "transaction"});
  parse_chain(in, into);
}

void parse_rollback(HeadReader& in, bool is_abort, Statement& into) {
  if (in.word("prepared")) return parse_prepared(in, StatementKind::rollback_prepared, into);
  into.kind = StatementKind::rollback;
  in.any_word_of({"work", "transaction"});
  if (is_abort || !in.word("to")) return parse_chain(in, into);
  into.kind = StatementKind::rollback_to;
  // SAVEPOINT may be the name itself.
  if (in.is_word("savepoint")) {
    HeadReader before = in;
    in.skip();
    if (in.at_end()) in = before;
  }
  take_name(in, into);
  expect_end(in, into);
}

void parse_prepare(HeadReader& in, uint64_t end, Statement& into) {
  if (in.is_word("transaction") && in.is_string(1)) {
    in.skip();
    return parse_prepared(in, StatementKind::prepare_transaction, into);
  }
  into.kind = StatementKind::prepare;
  take_name(in, into);
  bool typed = in.is_symbol('(');
  auto types = in.parenthesis();
  if (types) into.arguments = *types;
  const HeadToken* as = in.next();
  into.is_malformed |= (typed && !types) || !in.word("as");
  if (!into.is_malformed) into.body = {.offset = as->end(), .length = end - as->end()};
}

}  // namespace trunkline::sql
