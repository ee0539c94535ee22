#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"
#include "config/model.h"
#include "upstream/upstream.h"

namespace trunkline::route {

// How the proxy logs in to the server when not as the client.
struct Login {
  std::string user;
  std::optional<Secret> password;
};

// What a session keeps of its route. Immutable, shared by sessions and the table; any thread.
struct Route {
  size_t index;      // in the order of the file, from 0
  int line;          // of the file
  std::string name;  // what it matches (name.h): its identity in log, metrics and limits
  std::optional<Login> login;
  config::AuthMode auth;
  std::shared_ptr<const config::AuthQuery> auth_query;  // null: nobody but `users`
  config::Inspect inspect;
  config::Pool pool;
  std::optional<uint32_t> max_clients;
};

struct Decision {
  enum class Kind : uint8_t {
    forward,
    reject,  // by the route, or because what it computes from the client's names is unusable
    none,    // no route matches
  };

  Kind kind = Kind::none;
  std::shared_ptr<const Route> route = {};         // null for `none`
  upstream::UpstreamPtr upstream = {};             // `forward` only, never a pattern
  std::optional<std::string> database = {};        // rewritten; nullopt: the client's own
  std::optional<std::string> user = {};            // rewritten; nullopt: the client's own
  std::string_view sqlstate = sqlstate::kSuccess;  // `reject` and `none`
  std::string text = {};                           // for the client
  std::string why = {};                            // for the log, printable
};

}  // namespace trunkline::route
