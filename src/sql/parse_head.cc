#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "sql/statement_parser.h"

namespace trunkline::sql {

namespace {

using enum StatementKind;

// By the first word alone.
constexpr std::pair<std::string_view, StatementKind> kFirstWords[] = {
    {"call", call},      {"checkpoint", checkpoint},
    {"delete", delete_}, {"do", do_},
    {"fetch", fetch},    {"insert", insert},
    {"load", load},      {"lock", lock},
    {"merge", merge},    {"move", move},
    {"select", select},  {"table", select},
    {"update", update},  {"values", values},
    {"with", with},
};
static_assert(std::ranges::is_sorted(kFirstWords, {}, [](const auto& pair) { return pair.first; }));

std::optional<StatementKind> kind_of_first_word(std::string_view first) {
  const auto* found =
      std::ranges::lower_bound(kFirstWords, first, {}, [](const auto& pair) { return pair.first; });
  if (found == std::end(kFirstWords) || found->first != first) return std::nullopt;
  return found->second;
}

void take_only_name(HeadReader& in, Statement& into) {
  take_name(in, into);
  into.is_malformed |= !in.at_true_end();
}

// Whether the next word is this one and not itself the name that must follow.
bool optional_word(HeadReader& in, std::string_view lower) {
  HeadReader before = in;
  if (!in.word(lower)) return false;
  if (!in.at_true_end()) return true;
  in = before;
  return false;
}

void parse_listen(HeadReader& in, std::string_view first, Statement& into) {
  if (first == "unlisten" && in.symbol('*')) {
    into.kind = unlisten_all;
    into.is_malformed |= !in.at_true_end();
    return;
  }
  into.kind = first == "listen" ? listen : unlisten;
  take_only_name(in, into);
}

void parse_notify(HeadReader& in, Statement& into) {
  into.kind = notify;
  take_name(in, into);
  if (in.symbol(',')) {
    auto payload = in.string();
    into.is_malformed |= !payload.has_value();
    bool known = payload && payload->known;
    into.value.kind = known ? SettingValue::Kind::given : SettingValue::Kind::unknown;
    if (known) into.value.text = std::move(payload->text);
  }
  into.is_malformed |= !in.at_true_end();
}

void parse_execute(HeadReader& in, Statement& into) {
  into.kind = execute;
  take_prepared(in, into);
  into.is_malformed |= !in.at_true_end();
}

void parse_deallocate(HeadReader& in, Statement& into) {
  optional_word(in, "prepare");
  if (in.word("all")) {
    into.kind = deallocate_all;
    into.is_malformed |= !in.at_true_end();
    return;
  }
  into.kind = deallocate;
  take_only_name(in, into);
}

void parse_discard(HeadReader& in, Statement& into) {
  into.kind = in.is_word("all")                               ? discard_all
              : in.is_word("plans")                           ? discard_plans
              : in.is_word("sequences")                       ? discard_sequences
              : in.is_word("temp") || in.is_word("temporary") ? discard_temp
                                                              : other;
  in.skip();
  into.is_malformed |= !in.at_true_end();
}

void parse_declare(HeadReader& in, uint64_t end, Statement& into) {
  into.kind = declare;
  take_name(in, into);
  while (in.any_word_of({"binary", "insensitive", "asensitive", "scroll", "no"})) {
  }
  into.is_malformed |= !in.word("cursor");
  if (in.word("with")) {
    into.with_hold = true;
    into.is_malformed |= !in.word("hold");
  } else if (in.word("without")) {
    into.is_malformed |= !in.word("hold");
  }
  const HeadToken* for_token = in.next();
  into.is_malformed |= !in.word("for");
  if (!into.is_malformed) {
    into.body = {.offset = for_token->end(), .length = end - for_token->end()};
  }
}

// FETCH and MOVE: the name comes last, whatever the direction.
void parse_fetch(HeadReader& in, Statement& into) {
  in.skip_to_last();
  take_name(in, into);
  into.is_malformed |= !in.at_true_end();
}

void parse_close(HeadReader& in, Statement& into) {
  into.kind = close;
  if (in.word("all")) {
    into.kind = close_all;
    into.is_malformed |= !in.at_true_end();
    return;
  }
  take_only_name(in, into);
}

// One of EXPLAIN's options in parentheses, up to the comma: ANALYZE, or with a value that is not
// "off" in one of its spellings.
bool option_analyzes(HeadReader& in) {
  bool analyzes = in.any_word_of({"analyze", "analyse"});
  bool off = false;
  for (; !in.at_end() && !in.is_symbol(',') && !in.is_symbol(')'); in.skip()) {
    off =
        in.is_word("off") || in.is_word("false") || (in.is_number() && in.text(*in.next()) == "0");
  }
  return analyzes && !off;
}

void parse_explain(HeadReader& in, uint64_t end, Statement& into) {
  bool analyzes = false;
  if (in.is_symbol('(')) {
    // It could also be a SELECT in parentheses.
    HeadReader options = in;
    options.skip();
    bool is_query = options.is_word("select") || options.is_word("with") ||
                    options.is_word("values") || options.is_word("table") || options.is_symbol('(');
    while (!is_query && !options.at_end()) {
      analyzes |= option_analyzes(options);
      if (!options.symbol(',')) break;
    }
    if (!is_query && options.symbol(')')) {
      in = options;
    } else {
      // What was kept of it does not tell.
      into.is_malformed |= !is_query;
      analyzes |= !is_query;
    }
  } else {
    analyzes = in.any_word_of({"analyze", "analyse"});
    in.word("verbose");
  }
  into.kind = analyzes ? explain_analyze : explain;
  if (const HeadToken* first = in.next()) {
    into.body = {.offset = first->offset, .length = end - first->offset};
  }
  bool is_query = in.any_word_of({"select", "with", "values", "table"}) || in.is_symbol('(');
  if (analyzes && !is_query) {
    into.suspicions.add(Suspicion::may_write | Suspicion::may_fire_triggers);
    if (in.is_word("create") || in.is_word("refresh")) into.suspicions.add(Suspicion::may_define);
  }
  if (in.word("execute")) {
    take_prepared(in, into);
  } else if (in.word("create")) {
    take_created_as_execute(in, into);
  }
}

void parse_show(HeadReader& in, Statement& into) {
  into.kind = show;
  if (in.is_word("time") && in.is_word("zone", 1)) {
    into.name.text = "timezone";
  } else if (in.is_word("session") && in.is_word("authorization", 1)) {
    into.name.text = "session_authorization";
  } else if (in.is_word("transaction") && in.is_word("isolation", 1)) {
    into.name.text = "transaction_isolation";
  } else {
    into.name = parse_setting_name(in);
  }
}

// True if it was one of those that act on the transaction.
bool parse_transaction_control(HeadReader& in, std::string_view first, Statement& into) {
  if (first == "begin") {
    parse_begin(in, into);
  } else if (first == "start") {
    into.is_malformed |= !in.is_word("transaction");
    parse_begin(in, into);
  } else if (first == "commit" || first == "end") {
    parse_commit(in, into);
  } else if (first == "rollback" || first == "abort") {
    parse_rollback(in, first == "abort", into);
  } else if (first == "savepoint") {
    into.kind = savepoint;
    take_only_name(in, into);
  } else if (first == "release") {
    into.kind = release;
    optional_word(in, "savepoint");
    take_only_name(in, into);
  } else {
    return false;
  }
  return true;
}

// Likewise for the session.
bool parse_session_control(HeadReader& in, std::string_view first, uint64_t end, Statement& into) {
  if (first == "set") {
    parse_set(in, into);
  } else if (first == "reset") {
    parse_reset(in, into);
  } else if (first == "show") {
    parse_show(in, into);
  } else if (first == "listen" || first == "unlisten") {
    parse_listen(in, first, into);
  } else if (first == "notify") {
    parse_notify(in, into);
  } else if (first == "prepare") {
    parse_prepare(in, end, into);
  } else if (first == "execute") {
    parse_execute(in, into);
  } else if (first == "deallocate") {
    parse_deallocate(in, into);
  } else if (first == "discard") {
    parse_discard(in, into);
  } else if (first == "declare") {
    parse_declare(in, end, into);
  } else if (first == "close") {
    parse_close(in, into);
  } else {
    return false;
  }
  return true;
}

}  // namespace

bool needs_more_than_first_word(const Head& head) {
  const HeadToken& first = head.tokens()[0];
  if (first.kind != TokenKind::word) return false;
  auto kind = kind_of_first_word(head.text(first));
  return !kind || *kind == fetch || *kind == move;
}

void parse_head(const Head& head, Syntax syntax, uint64_t end, Statement& into) {
  HeadReader in(head, syntax);
  if (in.is_symbol('(')) {
    into.kind = select;
    return;
  }
  std::string_view first = in.next_word();
  in.skip();
  if (first.empty()) {
    into.kind = other;
    return;
  }
  if (auto kind = kind_of_first_word(first)) {
    into.kind = *kind;
    if (into.kind == fetch || into.kind == move) parse_fetch(in, into);
    return;
  }
  if (parse_transaction_control(in, first, into)) return;
  if (parse_session_control(in, first, end, into)) return;
  if (first == "explain") return parse_explain(in, end, into);
  if (first == "copy") {
    into.kind = kind_of_copy(in);
    return;
  }
  parse_ddl(in, first, into);
}

void take_name(HeadReader& in, Statement& into) {
  const HeadToken* first = in.next();
  auto name = in.name();
  into.is_malformed |= !name.has_value();
  if (!name) return;
  into.name = *std::move(name);
  into.name_span = {.offset = first->offset, .length = in.taken_end() - first->offset};
}

void take_prepared(HeadReader& in, Statement& into) {
  take_name(in, into);
  if (!in.is_symbol('(')) return;
  auto arguments = in.parenthesis();
  into.is_malformed |= !arguments;
  if (arguments) into.arguments = *arguments;
}

Suspicions suspicions_of_kind(StatementKind kind) {
  switch (kind) {
    case insert:
    case update:
    case delete_:
    case merge:
    case copy_in:
    case set_constraints:
      return Suspicion::may_write | Suspicion::may_fire_triggers;
    case ddl:  // event triggers
    case vacuum_like:
    case alter_role_or_database:
      return Suspicion::may_write | Suspicion::may_fire_triggers | Suspicion::may_define;
    case create_temp:
      return Suspicion::may_write | Suspicion::may_fire_triggers | Suspicion::may_define |
             Suspicion::temp_objects;
    case discard_all:
    case discard_temp:
      return Suspicion::may_define;
    case execute:
      return Suspicion::may_write | Suspicion::runs_prepared;
    case call:
    case do_:
    case load:
    case other:
      return Suspicion::may_write | Suspicion::opaque;
    case notify:
      return Suspicion::may_write | Suspicion::notifies;
    case copy_out:
      return Suspicion::reads_relations;
    case copy_server:
      return Suspicion::may_write | Suspicion::may_fire_triggers;
    case commit:
    case prepare_transaction:
    case commit_prepared:
    case rollback_prepared:
    case fetch:  // of a cursor whose query is not seen
    case move:
    case lock:
    case checkpoint:
      return Suspicion::may_write;
    default:
      return {};
  }
}

}  // namespace trunkline::sql
