#pragma once

#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "pool/pool.h"

// Workers and sessions that do what a test says, and nothing by themselves.
namespace trunkline::pool {

// A worker whose mail is read when the test says so.
class FakeDesk : public Desk {
 public:
  explicit FakeDesk(uint32_t number) : number_(number) {}

  uint32_t worker() const override { return number_; }
  Instant now() const override {
    if (when_asked_for_time) when_asked_for_time();
    return time;
  }
  void post(std::move_only_function<void()> action) override { mail.push_back(std::move(action)); }
  void open(PoolPtr pool) override { opening.push_back(std::move(pool)); }
  void pack(Connection& connection) override {
    EXPECT_TRUE(holds(connection));
    --held;
  }
  void unpack(Connection&) override { ++held; }
  bool is_alive(Connection& connection) override { return !dead.contains(&connection); }
  void listen(PoolPtr, ListenerPtr) override {}
  void close(ConnectionPtr connection) override {
    dead.erase(connection.get());
    --held;
    ++closed;
  }

  bool holds(const Connection&) const { return held > 0; }
  bool read_mail() {
    if (mail.empty()) return false;
    std::move_only_function<void()> action = std::move(mail.front());
    mail.pop_front();
    action();
    return true;
  }
  void finish_login() {
    PoolPtr pool = std::move(opening.front());
    opening.pop_front();
    auto connection = std::make_unique<Connection>();
    connection->generation = pool->generation();
    ++held;
    pool->opened(*this, std::move(connection));
  }
  void fail_login(Instant began) {
    PoolPtr pool = std::move(opening.front());
    opening.pop_front();
    pool->not_opened(*this, server::Refusal{Error{.message = "no"}}, began);
  }

  std::deque<std::move_only_function<void()>> mail;
  std::deque<PoolPtr> opening;
  std::set<Connection*> dead;
  int held = 0;  // connections in this worker's loop
  int closed = 0;
  Instant time{};
  std::function<void()> when_asked_for_time;  // what other threads do meanwhile

 private:
  uint32_t number_;
};

// The only worker: its mail is read at once, and all that it holds is alive unless the test says
// otherwise.
class PlainDesk final : public Desk {
 public:
  uint32_t worker() const override { return 0; }
  Instant now() const override { return time; }
  void post(std::move_only_function<void()> action) override { action(); }
  void open(PoolPtr pool) override { opening.push_back(std::move(pool)); }
  void pack(Connection&) override {}
  void unpack(Connection&) override {}
  bool is_alive(Connection&) override { return alive; }
  void listen(PoolPtr, ListenerPtr) override {}
  void close(ConnectionPtr) override {}

  ConnectionPtr connection(const Pool& pool) const {
    auto made = std::make_unique<Connection>();
    made->generation = pool.generation();
    return made;
  }

  std::vector<PoolPtr> opening;
  Instant time{1000s};
  bool alive = true;
};

// To which nobody connects.
inline upstream::UpstreamPtr upstream_of(config::Upstream settings, const std::string& name) {
  tls::Findings findings;
  config::ServerTls without_tls{.mode = config::ServerTlsMode::disable};
  upstream::CompiledTls tls{.context = tls::ServerContext::compile(without_tls, "tls", findings),
                            .files = {}};
  std::vector<std::shared_ptr<upstream::Health>> health(settings.servers.size());
  return std::make_shared<upstream::Upstream>(name, std::move(settings), std::move(tls),
                                              std::move(health));
}

// An upstream without servers.
inline upstream::UpstreamPtr upstream_named(const std::string& name) {
  return upstream_of({}, name);
}

inline std::unique_ptr<Destination> some_destination() {
  return std::make_unique<Destination>(nullptr, "db", config::Pool{}, auth::Credentials{});
}

class FakeRequest : public Request {
 public:
  explicit FakeRequest(Desk& desk, std::vector<FakeRequest*>* order = nullptr)
      : Request(desk), order_(order) {}

  ConnectionPtr connection;
  std::optional<Place> place;
  PoolPtr moved_to;
  bool refused = false;

 private:
  void on_granted(ConnectionPtr granted) override {
    connection = std::move(granted);
    if (order_ != nullptr) order_->push_back(this);
  }
  void on_place(Place granted) override {
    place.emplace(std::move(granted));
    if (order_ != nullptr) order_->push_back(this);
  }
  void on_refused(const server::Refusal&) override { refused = true; }
  void on_moved(PoolPtr to) override { moved_to = std::move(to); }

  std::vector<FakeRequest*>* order_;
};

class PoolTest : public testing::Test {
 protected:
  ~PoolTest() override {
    for (FakeDesk* desk : {&a, &b}) pool->close_idle(*desk);
  }

  void make(Limits limits, const std::vector<CapName>& caps = {}) {
    pool = Pool::make(ledger, limits, caps, 2, some_destination());
  }
  // A connection in use on the desk.
  ConnectionPtr connect(FakeDesk& desk) {
    FakeRequest request(desk);
    pool->wait(request);
    desk.finish_login();
    return std::move(request.connection);
  }
  void pass(Duration time) {
    for (FakeDesk* desk : {&a, &b}) desk->time += time;
  }
  void read_all_mail() {
    while (a.read_mail() || b.read_mail()) {
    }
  }

  Ledger ledger;
  FakeDesk a{0};
  FakeDesk b{1};
  PoolPtr pool;
};

}  // namespace trunkline::pool
