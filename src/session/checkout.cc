#include "session/checkout.h"

#include <algorithm>

#include "io/timer.h"

namespace trunkline::session {

Checkout::~Checkout() {
  leave();
  if (connection_) pool_->give_back(desk_, std::move(connection_));
}

io::Task<std::expected<pool::ConnectionPtr, server::Refusal>> Checkout::take(Instant deadline) {
  if (pool::ConnectionPtr idle = pool_->take(desk_)) co_return std::move(idle);
  std::optional<server::Refusal> refusal = co_await wait(deadline);
  if (refusal) co_return std::unexpected(std::move(*refusal));
  co_return std::move(connection_);
}

io::Task<std::expected<pool::Place, server::Refusal>> Checkout::take_place(Instant deadline) {
  wants_place_ = true;
  std::optional<server::Refusal> refusal = co_await wait(deadline);
  if (refusal) co_return std::unexpected(std::move(*refusal));
  co_return std::move(*place_);
}

// Nullopt when it has what it wants.
io::Task<std::optional<server::Refusal>> Checkout::wait(Instant deadline) {
  join_line();
  io::Timer timer(waiter_, kElapsed);
  timer.start(std::min(deadline, waiter_.loop().now() + pool_->destination().wait_timeout()));
  co_await waiter_.wait(kAnswered | kElapsed);
  if (connection_ || place_) co_return std::nullopt;
  leave();
  if (refusal_) co_return std::move(refusal_);
  co_return server::Refusal{
      {.reason = Reason::pool_timeout,
       .side = Side::internal,
       .sqlstate = sqlstate::kTooManyConnections,
       .message = "no server connection came free in time",
       .hint =
           "The limits are \"size\" and \"wait_timeout\" of the \"pool\", and \"login_timeout\"."}};
}

void Checkout::join_line() {
  wants_place_ ? pool_->wait_for_place(*this) : pool_->wait(*this);
}

void Checkout::on_granted(pool::ConnectionPtr connection) {
  connection_ = std::move(connection);
  waiter_.raise(kAnswered);
}

void Checkout::on_place(pool::Place place) {
  place_.emplace(std::move(place));
  waiter_.raise(kAnswered);
}

void Checkout::on_refused(const server::Refusal& refusal) {
  refusal_ = refusal;
  waiter_.raise(kAnswered);
}

void Checkout::on_moved(pool::PoolPtr to) {
  pool_ = std::move(to);
  join_line();
}

}  // namespace trunkline::session
