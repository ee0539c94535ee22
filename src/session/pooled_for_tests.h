#pragma once

#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pool/guard.h"
#include "session/pooled_machine.h"
#include "session/relay_testing.h"
#include "wire/builders.h"

// A session of a pool between two strings, for its tests.
namespace trunkline::session {

// What a client says.
inline std::string query(std::string_view sql) {
  return msg('Q', c(sql));
}
inline std::string parse(std::string_view name, std::string_view sql) {
  return msg('P', c(name) + c(sql) + std::string(2, '\0'));
}
inline std::string binding(std::string_view portal, std::string_view statement) {
  return msg('B', c(portal) + c(statement) + std::string(6, '\0'));
}
inline std::string describe(std::string_view name) {
  return msg('D', "S" + c(name));
}
inline std::string close_statement(std::string_view name) {
  return msg('C', "S" + c(name));
}
inline std::string execute(std::string_view portal = "") {
  return msg('E', c(portal) + std::string(4, '\0'));
}
inline const std::string kSync = msg('S', "");

// What a server says.
inline const std::string kParsed = msg('1', "");
inline const std::string kBound = msg('2', "");
inline const std::string kClosed = msg('3', "");
inline std::string done(std::string_view tag) {
  return msg('C', c(tag));
}
inline std::string ready(char status = 'I') {
  return msg('Z', std::string(1, status));
}
inline std::string failed(std::string_view sqlstate, std::string_view message,
                          std::string_view severity = "ERROR") {
  wire::ErrorField fields[] = {{'S', severity}, {'V', severity}, {'C', sqlstate}, {'M', message}};
  std::string bytes;
  wire::append_error_response(bytes, fields);
  return bytes;
}
inline std::string ended(std::string_view sqlstate) {
  return failed(sqlstate, "terminating connection", "FATAL");
}
inline std::string told(std::string_view name, std::string_view value) {
  return msg('S', c(name) + c(value));
}
// To a guard that wipes nothing and is sent for the first time.
inline std::string guard_answers(bool sets) {
  std::string step = kParsed + kBound;
  std::string all = step + done("BEGIN");
  if (sets) all += step + msg('D', "row") + done("SELECT 1");
  return all + step + done("COMMIT");
}

inline pool::SettingsPtr settings_of(
    std::initializer_list<std::pair<std::string_view, std::string_view>> entries) {
  auto settings = std::make_shared<pool::Settings>();
  for (const auto& [name, value] : entries) settings->set(name, std::string(value));
  return settings;
}

// A machine, which sees each input only as long as a relay would hold it. Its client's bytes go on
// as far as it lets them.
class PooledPlay {
 public:
  using Verdict = PooledMachine::Verdict;

  explicit PooledPlay(uint32_t session = 1, pool::SettingsPtr startup = nullptr,
                      bool keeps_connection = false, Listening* listening = nullptr,
                      const uint32_t* process_id = nullptr)
      : PooledPlay(PooledClient::Identity{.session = session,
                                          .keeps_connection = keeps_connection,
                                          .listening = listening,
                                          .process_id = process_id},
                   std::move(startup)) {}
  explicit PooledPlay(PooledClient::Identity who, pool::SettingsPtr startup = nullptr,
                      uint64_t generation = 0)
      : identity(who),
        own(generation, std::move(startup), nullptr),
        machine(own, identity, buffers, metrics.counters(), nullptr, cache) {}

  static std::unique_ptr<pool::Connection> connection(TestMetrics& metrics) {
    auto made = std::make_unique<pool::Connection>();
    made->count.emplace(metrics.servers, 0);
    return made;
  }

  // The connection, as the pool gives it.
  void use(pool::Connection& connection) { machine.attach(connection); }
  // And back, when the machine says so.
  void leave() {
    EXPECT_TRUE(machine.may_leave());
    machine.detach();
    if (machine.rests()) rest();
  }
  // What a session that rests keeps is enough for the machine it wakes up with.
  void rest() {
    std::destroy_at(&machine);
    std::construct_at(&machine, own, identity, buffers, metrics.counters(), nullptr, cache);
    machine.set_query_limit(query_limit);
  }
  void limit_queries(QueryLimit& limit) {
    query_limit = &limit;
    machine.set_query_limit(query_limit);
  }

  bool listens() const {
    return own.notifications != nullptr && !own.notifications->channels().empty();
  }

  Verdict client(std::string_view bytes) {
    waiting += bytes;
    return go_on();
  }
  // In two parts: more of a text than is looked at is not there at once.
  Verdict client_in_parts(std::string_view bytes) {
    client(bytes.substr(0, bytes.size() / 2));
    return client(bytes.substr(bytes.size() / 2));
  }
  // What the server has heard since; the client is heard on when it has answered.
  std::string server(std::string_view bytes) {
    for (size_t at = 0; at < bytes.size(); at += every) answer(bytes.substr(at, every));
    go_on();
    return take(to_client);
  }
  std::string heard() { return take(to_server); }
  // What the proxy answers by itself.
  std::string own_answers() {
    answer("");
    return take(to_client);
  }
  Verdict go_on() {
    Verdict verdict = Verdict::go_on;
    do {
      std::string copy = waiting;
      std::string_view input = copy;
      std::array<char, PooledMachine::kScratchBytes> scratch{};
      PooledMachine::Pieces out;
      verdict = machine.from_client(input, scratch, now, out);
      waiting = std::string(input);
      collect(out, to_server);
    } while (verdict == Verdict::write_first);
    last = verdict;
    return verdict;
  }
  void own_request() {
    PooledMachine::Pieces out;
    machine.append_own_request(out);
    collect(out, to_server);
  }
  PooledMachine::Cleaning clean_up() {
    PooledMachine::Pieces out;
    PooledMachine::Cleaning cleaning = machine.clean_up(out);
    collect(out, to_server);
    return cleaning;
  }

  TestMetrics metrics;
  StatementCache cache;
  PooledClient::Identity identity;
  PooledClient own;
  PooledMachine::Buffers buffers;
  QueryLimit* query_limit = nullptr;
  PooledMachine machine;
  Instant now{1000s};
  std::string waiting;  // of the client's bytes
  std::string to_server;
  std::string to_client;
  Verdict last = Verdict::go_on;
  size_t every = 1'000'000;  // bytes of the server that come together

 private:
  void answer(std::string_view bytes) {
    std::string copy(bytes);
    std::string_view input = copy;
    do {
      PooledMachine::Pieces out;
      if (!machine.from_server(input, now, out)) {
        ADD_FAILURE() << machine.violation().message;
        return;
      }
      collect(out, to_client);
    } while (!input.empty() || machine.has_answers());
  }
  static void collect(const PooledMachine::Pieces& out, std::string& to) {
    for (const iovec& part : out.parts()) {
      to.append(static_cast<const char*>(part.iov_base), part.iov_len);
    }
  }
  static std::string take(std::string& from) { return std::exchange(from, {}); }
};

// Two sessions of one worker, and a connection.
class PooledTest : public testing::Test {
 protected:
  // What goes ahead of a session's bytes on a connection like this one.
  std::string guard(const pool::SettingsPtr& wanted, pool::Cleanse cleanse = pool::Cleanse::nothing,
                    const pool::SettingsPtr& before = nullptr) {
    pool::Connection twin;
    twin.settings = before;
    std::string bytes;
    pool::append_guard(bytes, twin, wanted, cleanse);
    return bytes;
  }
  // A query that is answered at once.
  void run(PooledPlay& play, std::string_view sql, std::string_view tag, char status = 'I') {
    play.client(query(sql));
    play.server(done(tag) + ready(status));
    play.heard();
    play.to_client.clear();
  }

  TestMetrics metrics;
  std::unique_ptr<pool::Connection> connection = PooledPlay::connection(metrics);
  PooledPlay a{1};
  PooledPlay b{2};
};

}  // namespace trunkline::session
