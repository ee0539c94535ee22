#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string>
#include <vector>

#include "session/pooled_machine.h"
#include "sql/identifier.h"
#include "wire/protocol.h"

// What is asked of a connection before a text that would notice that others have used it.
namespace trunkline::session {

using sql::StatementKind;
using sql::Suspicion;

namespace {

// One row if the connection knows any of them and has no default for it: '' then, which a session
// of its own would not see. What somebody else has set is taken away first.
constexpr std::string_view kMadeUp =
    "SELECT 1 FROM pg_catalog.unnest('{{{}}}'::pg_catalog.text[]) AS n WHERE "
    "CASE WHEN pg_catalog.current_setting(n, true) IS NOT NULL "
    "THEN pg_catalog.set_config(n, NULL, false) END = '' LIMIT 1";

constexpr sql::KindSet kMakesUp = {StatementKind::do_, StatementKind::call, StatementKind::load,
                                   StatementKind::other};
constexpr sql::Suspicions kMayMakeUp = {Suspicion::set_config, Suspicion::set_config_named,
                                        Suspicion::set_config_local, Suspicion::opaque,
                                        Suspicion::dblink};

}  // namespace

// Of the message at hand, as far as it says what will run.
std::shared_ptr<const sql::TextFacts> PooledMachine::facts_of_front(char message) {
  std::string_view body = reader_.front().body();
  if (message == wire::client_message::kQuery) {
    return front_facts_ = cache_.facts_of(body.substr(0, body.find('\0')), syntax_);
  }
  bool is_parse = message == wire::client_message::kParse;
  if (!is_parse && message != wire::client_message::kBind) return nullptr;
  // Behind the statement's name, or the portal's.
  body.remove_prefix(std::min(body.find('\0'), body.size() - 1) + 1);
  std::string_view word = body.substr(0, body.find('\0'));
  if (is_parse) return cache_.facts_of(word, syntax_);
  pool::StatementPtr statement = statement_named(word);
  return statement == nullptr ? nullptr : statement->facts;
}

// Outside of a transaction. True when the client's message has to wait for that.
bool PooledMachine::asks_first(char message) {
  front_facts_ = nullptr;
  bool channels = notifications_ != nullptr && !notifications_->channels().empty() && !laid_on_;
  bool settings = server_->may_have_made_up && !client_.may_have_made_up;
  if ((!channels && !settings) || unit_open_ || in_block_) return false;
  if (!reader_.front().is_whole() || reader_.front().body().empty()) return false;
  std::shared_ptr<const sql::TextFacts> facts = facts_of_front(message);
  if (facts == nullptr) return false;
  // It is listened to where the client asks for its channels.
  lays_on_ = channels && facts->has(Suspicion::reads_channels);
  return lays_on_ || (settings && asks_for_settings(*facts));
}

// The client asks for a setting that applications make up, and has made up none itself: so it is
// NULL, or unknown. A connection on which somebody has set it never forgets the name.
bool PooledMachine::asks_for_settings(const sql::TextFacts& facts) {
  bool decided = of_settings_ == OfSettings::none || !pins_.none() || suspected_;
  if (!facts.has(Suspicion::reads_setting) || decided) return false;
  std::vector<std::string_view> names;
  for (const sql::Statement& statement : facts.statements()) {
    for (const std::string& name : statement.asked_settings) {
      if (sql::is_plain_setting_name(name)) names.push_back(name);
    }
  }
  if (names.empty()) return false;
  settings_question_ = fmt::format(kMadeUp, fmt::join(names, ","));
  return true;
}

// With a row it is of no use to this session, and closed: nothing makes it forget.
void PooledMachine::end_question_of_settings(bool found) {
  of_settings_ = found ? OfSettings::not_asked : OfSettings::none;
  if (found) server_->spoilt = true;
}

// Code that is not seen may have.
void PooledMachine::note_made_up() {
  client_.may_have_made_up = server_->may_have_made_up = true;
}

void PooledMachine::note_made_up(const sql::TextFacts& facts, sql::Suspicions suspicions) {
  bool unclear = facts.is_cut() || facts.is_malformed();
  bool may = unclear || suspicions.has_any_of(kMayMakeUp) || facts.kinds().has_any_of(kMakesUp) ||
             std::ranges::any_of(facts.statements(), [](const sql::Statement& each) {
               return each.kind == StatementKind::set && SessionSettings::is_custom(each.name.text);
             });
  if (may) note_made_up();
}

}  // namespace trunkline::session
