#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/user_store.h"
#include "base/error.h"
#include "base/time.h"

namespace trunkline::lookup {

// What a server says to one query for a user. Pure: fed with the server's messages, which are read
// and forgotten. Belongs to one look-up.
class Answer {
 public:
  enum class Step : uint8_t {
    more,
    complete,  // ReadyForQuery: the connection is good for the next query
    broken,    // the connection is good for nothing any more
  };
  enum class Kind : uint8_t { found, nobody, failed };

  explicit Answer(std::string_view user) : user_(user) {}

  Step on_message(char type, std::string_view body);

  // From here on: once it is complete.
  Kind kind() const;
  auth::StoredSecret take_secret() { return std::move(secret_); }
  // How long the password holds; nullopt: no end of it is known.
  std::optional<Duration> holds_for() const { return holds_for_; }
  // For the log, without secrets: why it failed, or what is wrong with what was found.
  const std::string& problem() const { return problem_; }

 private:
  void on_row(std::string_view body);
  Step on_error(std::string_view body);
  void fail(std::string problem);

  const std::string user_;
  int rows_ = 0;
  bool failed_ = false;
  auth::StoredSecret secret_;
  std::optional<Duration> holds_for_;
  std::string problem_;
};

// For how long a password holds, of the third column: seconds, with a fraction or without.
std::optional<Duration> parse_seconds(std::string_view text);

// Asks for `user`, as one batch up to its Sync.
std::string query_for(std::string_view query, std::string_view user);

}  // namespace trunkline::lookup
