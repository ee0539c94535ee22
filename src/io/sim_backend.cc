#include "io/sim_backend.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace trunkline::io {

namespace {

// What a round of the loop takes at most, so that time passes for a loop that never rests.
constexpr Duration kRoundMax = 20us;

}  // namespace

SimBackend::SimBackend(const SimOptions& options)
    : late_event_chance_(options.late_event_chance),
      network_(options, [this](int fd) { on_edge(fd); }) {}

void SimBackend::on_edge(int fd) {
  if (auto found = watched_.find(fd); found != watched_.end()) found->second.edge = true;
}

int SimBackend::add(int fd, void* owner, Interest interest) {
  bool added = watched_.try_emplace(fd, Watched{owner, interest, true}).second;
  return added ? 0 : -EEXIST;
}

// Reports anew what is ready by now, as EPOLL_CTL_MOD does.
int SimBackend::modify(int fd, void* owner, Interest interest) {
  auto found = watched_.find(fd);
  if (found == watched_.end()) return -ENOENT;
  found->second = {owner, interest, true};
  return 0;
}

void SimBackend::close(int fd) {
  watched_.erase(fd);
  network_.close(fd);
}

std::span<const Event> SimBackend::wait(Duration timeout) {
  auto round = static_cast<uint64_t>(kRoundMax.count());
  network_.advance_to(network_.now() + Duration(1 + network_.random().below(round)));
  Instant until = timeout < Duration::zero() ? Instant::max() : network_.now() + timeout;
  deadlocked_ = false;
  for (;;) {
    collect();
    if (!events_.empty() || woken_.exchange(false) || network_.now() >= until) return events_;
    Instant next = std::min(network_.next_event(), until);
    if (next == Instant::max()) {
      deadlocked_ = true;
      return events_;
    }
    network_.advance_to(next);
  }
}

// The state at the time of the report counts, as with epoll: an edge whose bytes have been read
// meanwhile is none.
void SimBackend::collect() {
  events_.clear();
  std::vector<int> late;
  for (auto& [fd, watched] : watched_) {
    bool level = watched.interest == Interest::exclusive;
    if (!level && !std::exchange(watched.edge, false)) continue;
    uint8_t ready = network_.poll(fd, watched.interest == Interest::edge_and_write);
    if (ready == 0) continue;
    bool is_late = !level && !events_.empty() && network_.chance(late_event_chance_);
    if (is_late) {
      watched.edge = true;
    } else {
      events_.push_back({watched.owner, ready});
    }
  }
  for (size_t i = events_.size(); i > 1; --i) {
    std::swap(events_[i - 1], events_[network_.random().below(i)]);
  }
}

}  // namespace trunkline::io
