#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "observe/log.h"
#include "pool/guard.h"
#include "session/ask_server.h"
#include "session/checkout.h"
#include "session/session.h"
#include "wire/builders.h"

// ALTER ROLE and ALTER DATABASE … SET, by whomever: a login onto connections that were started
// before asks whether there was one.
namespace trunkline::session {

namespace {

// An idle connection is there, or comes from another worker.
constexpr Duration kTakeMax = 20ms;
constexpr Duration kAnswerMax = 1s;

// The class of SQLSTATEs.
constexpr std::string_view kSyntaxOrAccess = "42";

// Nullopt: the connection is of no use any more. A server that does not know the answer is not
// asked again.
io::Task<std::optional<pool::ServerDefaults::Answer>> ask_for_defaults(pool::Connection& connection,
                                                                       Instant deadline) {
  std::string question;
  pool::append_defaults_question(question, connection);
  append_own_sync(question, connection);
  auto answer = co_await ask_server(connection, std::move(question), deadline);
  // Others come and go: a connection that was ended, a timeout that somebody has set.
  bool is_unknown = !answer && answer.error().error.detail.starts_with(kSyntaxOrAccess);
  if (!answer && !is_unknown) co_return std::nullopt;
  if (!answer || answer->rows.size() != 1 || answer->rows.front().size() != 2) {
    connection.destination->defaults().give_up();
    co_return std::nullopt;
  }
  std::vector<std::string>& row = answer->rows.front();
  co_return pool::ServerDefaults::Answer{.fingerprint = std::move(row[0]),
                                         .names = std::move(row[1])};
}

}  // namespace

// While no connection is idle what is known holds: a login does not wait for others' transactions.
io::Task<> Session::check_defaults(pool::PoolPtr pool) {
  Checkout checkout(pool, environment_.desk, environment_.loop);
  auto taken = co_await checkout.take(environment_.loop.now() + kTakeMax);
  if (!taken) co_return;
  pool = checkout.pool();
  pool::ConnectionPtr connection = std::move(*taken);
  Instant deadline = environment_.loop.now() + kAnswerMax;
  std::optional<pool::ServerDefaults::Answer> answer =
      co_await ask_for_defaults(*connection, deadline);
  if (!answer) co_return pool->discard(environment_.desk, std::move(connection));
  std::optional<std::string> query = pool->destination().defaults().on_answer(*answer);
  if (!query) co_return pool->give_back(environment_.desk, std::move(connection));
  std::string request;
  wire::append_query(request, *query);
  connection->queue.push(wire::Request::query, 0, wire::ResponseQueue::kSwallow);
  auto said = co_await ask_server(*connection, std::move(request), deadline);
  pool::Settings before;
  if (!said) said = ServerAnswer();
  for (const auto& row : said->rows) {
    if (row.size() == 2) before.set(row[0], row[1]);
  }
  uint64_t generation = connection->generation;
  pool->discard(environment_.desk, std::move(connection));
  if (!pool->destination().defaults().on_changed(*answer, generation, std::move(before))) co_return;
  observe::log(observe::Level::info, "the server gives new sessions other settings than before",
               {{"database", pool->destination().database()}});
  pool->destination().greetings().forget();
  pool->renew(environment_.desk);
}

// How it is for the first connection of a pool, which is given back.
io::Task<> Session::learn_defaults(pool::PoolPtr pool, pool::ConnectionPtr connection,
                                   Instant deadline) {
  pool::ServerDefaults& defaults = pool->destination().defaults();
  if (defaults.wants_first()) {
    std::optional<pool::ServerDefaults::Answer> answer =
        co_await ask_for_defaults(*connection, deadline);
    if (!answer) co_return pool->discard(environment_.desk, std::move(connection));
    defaults.on_answer(*answer);
  }
  pool->give_back(environment_.desk, std::move(connection));
}

}  // namespace trunkline::session
