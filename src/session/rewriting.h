#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pool/settings.h"
#include "pool/statements.h"
#include "session/statement_cache.h"
#include "sql/text_edits.h"
#include "sql/text_facts.h"

namespace trunkline::session {

// What a text becomes for the server connection that it goes to, where its statements act on what
// the proxy keeps for the client: the names of prepared statements are those that the connection
// knows, one that it does not know is prepared first, and RESET goes back to what the client began
// with. What the server then answers to statements that were put in is for nobody. Plain data.
struct Rewriting {
  using Number = pool::ServerStatements::Number;

  // What a CommandComplete of the server's means, in their order.
  struct Step {
    enum class Kind : uint8_t { inserted, prepares, deallocates };
    Kind kind;
    // So many of the text's own statements have been completed before.
    size_t after;
    std::string name = {};  // the client's
    pool::StatementPtr statement = {};
    Number number = pool::ServerStatements::kNone;
  };
  struct Prepared {
    pool::StatementPtr statement;
    Number number;
  };

  // The next step, if it is due when so many of the text's own statements are completed.
  const Step* step(size_t completed) const {
    return done < steps.size() && steps[done].after == completed ? &steps[done] : nullptr;
  }
  // What the client calls what the server calls so; empty: nothing.
  std::string_view client_name(std::string_view server_name) const;

  std::string text;  // the client's
  sql::TextEdits edits;
  std::vector<Step> steps;
  size_t done = 0;  // of the steps
  // To be prepared before it is sent, and to be run after it.
  std::vector<Prepared> ahead;
  std::vector<std::string> behind;
  std::vector<std::pair<std::string, std::string>> names;  // the server's and the client's
  // What EXECUTE runs.
  std::vector<std::shared_ptr<const sql::TextFacts>> executed;
  // False: some statement is not one that the client has prepared by itself.
  bool knows_all = true;
  bool restores = false;  // what RESET takes away
  bool has_client_names = false;
};

// Whether `Rewriter` finds anything to do, or to know.
bool may_need_rewriting(const sql::TextFacts& facts, bool has_startup_settings);

class Rewriter {
 public:
  // A Query takes what is missing within its text. A Parse has one statement: it is put ahead.
  enum class Of : uint8_t { query, parse };
  struct Place {
    std::function<pool::StatementPtr(std::string_view name)> statement_named;
    StatementCache& cache;
    sql::Syntax syntax;
    pool::SettingsPtr meaning;  // see `SessionSettings::of_meaning`
    bool meaning_is_open;       // see `PooledMachine::note_meaning`
    pool::SettingsPtr startup;
    pool::ServerStatements& server;
    uint64_t ddl_epoch;
    bool is_failed;  // the transaction
    // The connection has the client's statements under the client's own names, see
    // `PooledMachine::lay_names_on`.
    bool has_client_names = false;
  };
  Rewriter(Of of, const Place& place) : of_(of), place_(place) {}

  // Of a Query, all of it is taken to be sent: see `undo`. Of a Parse, what its statement changes
  // is so when it is executed.
  std::shared_ptr<Rewriting> rewrite(std::string_view text, const sql::TextFacts& facts);

  // `PREPARE name (types) AS …`, of one that was prepared by SQL.
  static std::string prepare(const pool::Statement& statement, std::string_view name);
  // As the client has written it.
  static std::string prepare(const pool::Statement& statement);
  // The server has not done the steps that are left.
  static void undo(const Rewriting& rewriting, pool::ServerStatements& server);

 private:
  void take(const sql::Statement& statement);
  void prepare(const sql::Statement& statement);
  void execute(const sql::Statement& statement);
  void deallocate(const sql::Statement& statement);
  Rewriting::Number dropped_as(pool::StatementPtr& prepared, const sql::Statement& statement);
  void drop_all();
  void reset(const sql::Statement& statement);
  void to_default(const sql::Statement& statement);
  void run_behind(const sql::Statement& statement, const std::string& sql);
  pool::StatementPtr find(const std::string& name) const;
  Rewriting::Number number_of(const pool::StatementPtr& prepared, const sql::Statement& statement);
  void rename(const sql::Statement& statement, Rewriting::Number number);
  void leave(const sql::Statement& statement);

  const Of of_;
  const Place& place_;
  std::shared_ptr<Rewriting> made_;
  // As it is when what was seen so far has run.
  std::unordered_map<std::string, pool::StatementPtr> changed_;
  bool dropped_all_ = false;
  bool is_alone_ = false;  // the statement at hand, in its text
  size_t index_ = 0;       // of the statement at hand
};

}  // namespace trunkline::session
