#include "pool/plain_names.h"

#include <fmt/format.h>
#include <utility>

#include "base/split.h"

namespace trunkline::pool {

namespace {

// `{0}`: the names. Of relations: views, tables with rules or policies, foreign tables and what may
// have some below it. Functions of any name that stands there, as `t.f` calls one, too. And where
// somebody's own code stands behind an operator, a cast or an index method (12 and 13 are the
// languages of PostgreSQL's own and of extensions' compiled code), names say nothing at all.
constexpr std::string_view kQuestion =
    "WITH own AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) ANY "
    "('{{pg_catalog,information_schema}}'::pg_catalog.name[])) "
    "SELECT pg_catalog.array_to_string(ARRAY("
    "SELECT relname FROM pg_catalog.pg_class WHERE relname OPERATOR(pg_catalog.=) ANY "
    "('{{{0}}}'::pg_catalog.name[]) AND relnamespace NOT IN (SELECT oid FROM own) "
    "AND (relkind IN ('v', 'f') OR relhasrules OR relrowsecurity "
    "OR (relhassubclass AND EXISTS (SELECT FROM pg_catalog.pg_foreign_table))) "
    "UNION ALL SELECT proname FROM pg_catalog.pg_proc WHERE proname OPERATOR(pg_catalog.=) ANY "
    "('{{{0}}}'::pg_catalog.name[]) AND pronamespace NOT IN (SELECT oid FROM own) "
    "UNION ALL SELECT typname FROM pg_catalog.pg_type WHERE typname OPERATOR(pg_catalog.=) ANY "
    "('{{{0}}}'::pg_catalog.name[]) AND typnamespace NOT IN (SELECT oid FROM own) "
    "AND typtype OPERATOR(pg_catalog.=) 'd'), ','), "
    "EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE prolang NOT IN (12, 13) AND p.oid IN ("
    "SELECT oprcode FROM pg_catalog.pg_operator WHERE oid OPERATOR(pg_catalog.>=) 16384 "
    "UNION ALL SELECT castfunc FROM pg_catalog.pg_cast WHERE oid OPERATOR(pg_catalog.>=) 16384 "
    "UNION ALL SELECT amproc FROM pg_catalog.pg_amproc WHERE oid OPERATOR(pg_catalog.>=) 16384))";

}  // namespace

std::string PlainNames::Question::sql() const {
  return fmt::format(kQuestion, names_);
}

void PlainNames::Question::on_row(std::string_view not_plain, bool none_is) {
  not_plain_ = not_plain;
  none_is_ = none_is;
}

uint64_t PlainNames::next_number() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

bool PlainNames::find_out(const sql::TextFacts& facts, Instant now) {
  std::lock_guard lock(mutex_);
  if (changes_ > 0) return false;
  bool holds = now < holds_until_.load(std::memory_order_relaxed);
  bool all_known = true;
  bool all_plain = true;
  for_each_item(facts.names(), [&](std::string_view name) {
    auto found = known_.find(std::string(name));
    if (found == known_.end()) {
      all_known = false;
      want(name);
      return;
    }
    found->second.is_used = true;
    all_plain = all_plain && found->second.is_plain;
  });
  if (!holds || !all_known) {
    wants_.store(true, std::memory_order_relaxed);
    return false;
  }
  facts.note_proof(proof_of(number_.load(std::memory_order_relaxed), all_plain));
  return all_plain;
}

void PlainNames::want(std::string_view name) {
  if (known_.size() + wanted_.size() < kNamesMax) wanted_.emplace(name);
}

std::unique_ptr<PlainNames::Question> PlainNames::ask(Instant now) {
  if (!wants_.load(std::memory_order_relaxed)) return nullptr;
  std::lock_guard lock(mutex_);
  if (is_asking_ || changes_ > 0 || now < ask_again_) return nullptr;
  bool is_whole = now >= holds_until_.load(std::memory_order_relaxed);
  std::string names;
  auto add = [&](const std::string& name) {
    if (!names.empty()) names += ',';
    names += name;
  };
  for (const std::string& name : wanted_) add(name);
  if (is_whole) {
    // What nobody has used since the last time is forgotten.
    for (const auto& [name, what] : known_) {
      if (what.is_used) add(name);
    }
  }
  wanted_.clear();
  wants_.store(false, std::memory_order_relaxed);
  if (names.empty()) return nullptr;
  is_asking_ = true;
  ask_again_ = now + kPause;
  return std::make_unique<Question>(shared_from_this(), number_.load(std::memory_order_relaxed),
                                    now, is_whole, std::move(names));
}

void PlainNames::close(const Question& question) {
  std::lock_guard lock(mutex_);
  is_asking_ = false;
  if (!question.not_plain_) {
    // Somebody's rights or time limit do not allow it; the next one may have more luck.
    ask_again_ = question.asked_ + kHolds;
    return;
  }
  if (question.number_ != number_.load(std::memory_order_relaxed)) return;
  if (question.is_whole_) known_.clear();
  bool plain = !question.none_is_;
  for_each_item(question.names_, [&](std::string_view name) {
    known_[std::string(name)] = {.is_plain = plain, .is_used = !question.is_whole_};
  });
  for_each_item(*question.not_plain_,
                [&](std::string_view name) { known_[std::string(name)].is_plain = false; });
  if (!question.is_whole_) return;
  number_.store(next_number(), std::memory_order_release);
  holds_until_.store(question.asked_ + kHolds, std::memory_order_release);
}

void PlainNames::begin_change() {
  std::lock_guard lock(mutex_);
  ++changes_;
  holds_until_.store(Instant::min(), std::memory_order_release);
  number_.store(next_number(), std::memory_order_release);
}

void PlainNames::end_change() {
  std::lock_guard lock(mutex_);
  --changes_;
  number_.store(next_number(), std::memory_order_release);
}

}  // namespace trunkline::pool
