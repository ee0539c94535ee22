#pragma once

#include <expected>
#include <optional>
#include <utility>

#include "base/time.h"
#include "io/task.h"
#include "io/waiter.h"
#include "pool/pool.h"
#include "server/login.h"

namespace trunkline::session {

// Waits for a connection of a pool, or for a place in it, where no relay does: during a login.
// Owned by the login, on its worker's thread. What it is given and nobody has taken goes back when
// it is destroyed, so that a login may be given up at any time.
class Checkout final : public pool::Request {
 public:
  Checkout(pool::PoolPtr pool, pool::Desk& desk, io::Loop& loop)
      : pool::Request(desk),
        pool_(std::move(pool)),
        desk_(desk),
        waiter_(loop, io::Place::behind) {}
  ~Checkout() override;

  // Once, one of the two. The refusal is the server's or that of the deadline, or of the pool's
  // `wait_timeout` if that is sooner.
  io::Task<std::expected<pool::ConnectionPtr, server::Refusal>> take(Instant deadline);
  io::Task<std::expected<pool::Place, server::Refusal>> take_place(Instant deadline);

  // Where it waits or has waited: another than at first, when a reload has replaced that.
  const pool::PoolPtr& pool() const { return pool_; }

 private:
  static constexpr uint32_t kAnswered = 1;
  static constexpr uint32_t kElapsed = 2;

  void on_granted(pool::ConnectionPtr connection) override;
  void on_place(pool::Place place) override;
  void on_refused(const server::Refusal& refusal) override;
  void on_moved(pool::PoolPtr to) override;

  void join_line();
  io::Task<std::optional<server::Refusal>> wait(Instant deadline);

  pool::PoolPtr pool_;
  pool::Desk& desk_;
  io::Waiter waiter_;
  bool wants_place_ = false;
  pool::ConnectionPtr connection_;
  std::optional<pool::Place> place_;
  std::optional<server::Refusal> refusal_;
};

}  // namespace trunkline::session
