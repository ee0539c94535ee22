#pragma once

#include <functional>
#include <memory>

#include "io/task.h"
#include "pool/pool.h"
#include "pool/registry.h"
#include "session/environment.h"

namespace trunkline::worker {

// A worker as the pools see it: logs in to servers for them, takes idle connections out of its loop
// and into it, and looks after those it holds. Owned by the worker, on its thread but for `post`.
class Desk final : public pool::Desk {
 public:
  explicit Desk(session::Environment& environment) : environment_(environment) {}

  uint32_t worker() const override { return environment_.worker; }
  Instant now() const override { return environment_.loop.now(); }
  void post(std::move_only_function<void()> action) override {
    environment_.loop.post(std::move(action));
  }
  void open(pool::PoolPtr pool) override;
  void pack(pool::Connection& connection) override;
  void unpack(pool::Connection& connection) override;
  bool is_alive(pool::Connection& connection) override;
  void close(pool::ConnectionPtr connection) override;
  void listen(pool::PoolPtr pool, pool::ListenerPtr listener) override;

  // Once a second: closes what is too old, has been idle too long or was closed by its server, and
  // opens what a pool's minimum asks for.
  io::Task<> tend();
  // At the end of the worker.
  void close_idle();

 private:
  static constexpr Duration kTendInterval = 1s;

  io::Task<> log_in(pool::PoolPtr pool);
  void tend(pool::Pool& pool);

  session::Environment& environment_;
};

}  // namespace trunkline::worker
