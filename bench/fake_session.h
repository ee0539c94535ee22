#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bench/fake_replies.h"

namespace trunkline::bench {

// What a session of PostgreSQL remembers, as far as a pooler can tell: prepared statements that are
// no plain query, whether a transaction is open, and the parameters it reports. What statements
// mean is known by their first words: BEGIN, COMMIT, SET and the like, and set_config() over two
// arrays, as Trunkline's guard calls it (a value has a plus in front, or else is the default), and
// whether names are those of plain tables. Everything else gets the same row.
class FakeSession {
 public:
  explicit FakeSession(const Replies& replies) : replies_(replies) {}

  // The body of the startup packet: what it sets is reported so, and is what RESET goes back to.
  void start(std::string_view packet);
  // AuthenticationOk up to ReadyForQuery.
  void append_logged_in(std::string& out) const;

  void parse(std::string_view body);
  void bind(std::string_view body);
  void close(std::string_view body);
  void describe(std::string_view body, std::string& out) const;
  void execute(std::string& out);
  void query(std::string_view body, std::string& out);
  // ReadyForQuery, and before it what has changed.
  void ready(std::string& out);

 private:
  enum class Kind : uint8_t { row, command, begin, end, reset_all, set_config, names };
  struct Statement {
    Kind kind = Kind::row;
    const char* tag = "";  // of all but rows
  };
  using Values = std::array<std::string, kParameters>;

  static Statement classify(std::string_view text);
  void run(Statement statement, std::string& out);
  void set_configs(std::string& out);
  static const std::shared_ptr<const Values>& defaults();

  const Replies& replies_;
  std::unordered_map<std::string, Statement> named_;  // without those that give a row
  Statement unnamed_;
  Statement portal_;  // bound last
  std::vector<std::string> bound_;
  bool in_transaction_ = false;
  bool changed_ = false;
  std::shared_ptr<const Values> at_login_ = defaults();
  std::shared_ptr<const Values> reported_ = at_login_;
  std::shared_ptr<const Values> values_ = at_login_;
};

}  // namespace trunkline::bench
