#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "observe/metrics.h"

namespace trunkline::upstream {

// Server connections by what they do. Those of cancel requests and of health checks
// are gone in no time, and not counted.
enum class ServerState : uint8_t {
  login,   // connecting and logging in
  idle,    // between transactions
  active,  // in a query or a transaction
  opaque,  // bytes are passed on unseen: nobody knows
  kCount
};
extern const observe::GroupDescriptor kServerConnections;  // label: upstream; a cell for each state

// One server connection in the gauge of its upstream, from before it is made until it is closed.
// Owned by whoever owns the connection, on its thread. A change of state, of which a query makes
// two, is two adds to cells that stand side by side.
class ServerCount {
 public:
  ServerCount(std::shared_ptr<observe::Group> group, uint32_t worker)
      : group_(std::move(group)), cells_(group_->cells(worker)) {
    cells_[static_cast<size_t>(state_)].add();
  }
  ServerCount(ServerCount&& other) noexcept
      : group_(std::move(other.group_)),
        cells_(std::exchange(other.cells_, nullptr)),
        state_(other.state_) {}
  ~ServerCount() { leave(); }

  // Not between `leave` and `enter_on`.
  void enter(ServerState state) {
    cells_[static_cast<size_t>(state_)].sub();
    state_ = state;
    cells_[static_cast<size_t>(state_)].add();
  }
  // The connection goes to another worker: the two count on threads of their own.
  void enter_on(uint32_t worker) {
    cells_ = group_->cells(worker);
    cells_[static_cast<size_t>(state_)].add();
  }
  // The same for one that stays counted on the way: what one thread adds another may take off.
  void go_on(uint32_t worker) { cells_ = group_->cells(worker); }
  void leave() {
    if (cells_ != nullptr) std::exchange(cells_, nullptr)[static_cast<size_t>(state_)].sub();
  }

 private:
  std::shared_ptr<observe::Group> group_;
  observe::Cell* cells_;
  ServerState state_ = ServerState::login;
};

}  // namespace trunkline::upstream
