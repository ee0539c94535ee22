#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/error.h"
#include "observe/metrics.h"
#include "wire/first_bytes.h"

namespace trunkline::session {

// Of one route and upstream, beside Envoy's counters (`policy::kPostgresStats`). Offsets of cells
// in the group's block.
extern const observe::GroupDescriptor kRouteMetrics;  // labels: route, upstream
struct RouteCells {
  static constexpr size_t kHistogramCells = observe::kLatencyBuckets.count + 2U;
  static constexpr size_t kActive = 0;
  static constexpr size_t kBytesFromClients = 1;
  static constexpr size_t kBytesToClients = 2;
  static constexpr size_t kLoginSeconds = 3;
  static constexpr size_t kServerConnectSeconds = kLoginSeconds + kHistogramCells;
  static constexpr size_t kQuerySeconds = kServerConnectSeconds + kHistogramCells;
  static constexpr size_t kTransactionSeconds = kQuerySeconds + kHistogramCells;
};

// What a worker counts before a route is known.
enum class ClientState : uint8_t { login, active, closing, kCount };
enum class CancelOutcome : uint8_t {
  sent,
  failed,  // it cannot have arrived
  unknown_key,
  limited,
  passthrough_dropped,
  unanswered,  // it may still arrive
  kCount
};

// One worker's cells, resolved once at its start; owned by the worker and written on its thread
// only. Nothing here grows with clients: `count_handshake` is given words of ours.
class WorkerMetrics {
 public:
  WorkerMetrics(observe::Registry& registry, uint32_t worker);

  observe::Cell& accepted() { return *accepted_; }
  observe::Cell& sessions() { return by_worker_[0]; }
  observe::Cell& requests() { return by_worker_[1]; }
  observe::Cell& clients(ClientState state) { return *clients_[static_cast<size_t>(state)]; }
  // A sample, for the gauge of what `memory_limit` bounds.
  void set_buffers_in_use(uint64_t bytes) { buffers_->add(bytes - buffers_->get()); }
  observe::Cell& closes(Reason reason) { return *closes_[static_cast<size_t>(reason)]; }
  observe::Cell& first_packets(wire::FirstPacket kind) {
    return *first_packets_[static_cast<size_t>(kind)];
  }
  // Of clients.
  observe::Cell& cancels(CancelOutcome outcome) { return *cancels_[static_cast<size_t>(outcome)]; }
  // To servers: `sent`, `failed` and `unanswered`.
  observe::Cell& server_cancels(CancelOutcome outcome) {
    return *server_cancels_[static_cast<size_t>(outcome)];
  }
  // Handshake facts: "sni", "alpn" and "protocol" with what the client showed.
  void count_handshake(std::string_view fact, std::string_view value);

 private:
  observe::Cell* cell(const observe::GroupDescriptor& descriptor,
                      const std::vector<std::string>& values);

  observe::Registry& registry_;
  const uint32_t worker_;
  std::vector<std::shared_ptr<observe::Group>> groups_;  // kept so that their cells stay
  observe::Cell* accepted_;
  observe::Cell* by_worker_;
  observe::Cell* buffers_;
  std::array<observe::Cell*, static_cast<size_t>(ClientState::kCount)> clients_;
  std::array<observe::Cell*, static_cast<size_t>(Reason::kCount)> closes_;
  std::array<observe::Cell*, static_cast<size_t>(wire::FirstPacket::malformed) + 1> first_packets_;
  std::array<observe::Cell*, static_cast<size_t>(CancelOutcome::kCount)> cancels_;
  std::map<std::pair<std::string, std::string>, observe::Cell*> handshakes_;
  std::array<observe::Cell*, static_cast<size_t>(CancelOutcome::kCount)> server_cancels_{};
};

}  // namespace trunkline::session
