#include "session/metrics.h"

#include <iterator>

namespace trunkline::session {

namespace {

using observe::Descriptor;
using observe::GroupDescriptor;
using observe::Type;
using observe::Unit;

constexpr Descriptor kRoute[] = {
    {"sessions_active", "Sessions that are logged in.", Type::gauge},
    {"client_received", "Bytes received from clients, from the startup packet on.", Type::counter,
     Unit::bytes},
    {"client_sent", "Bytes for clients, from the answer to the startup packet on.", Type::counter,
     Unit::bytes},
    {"login_duration", "From the first byte of a client to its first ReadyForQuery.",
     Type::histogram, Unit::seconds},
    {"server_connect_duration", "Connecting and logging in to a server.", Type::histogram,
     Unit::seconds},
    {"query_duration", "From the first message of a request to its ReadyForQuery.", Type::histogram,
     Unit::seconds},
    {"transaction_duration", "From the first message of a transaction to its end.", Type::histogram,
     Unit::seconds},
};
static_assert(observe::cell_offset(kRoute, 4) == RouteCells::kServerConnectSeconds);
static_assert(observe::cell_offset(kRoute, std::size(kRoute) - 1) ==
              RouteCells::kTransactionSeconds);
constexpr std::string_view kRouteLabels[] = {"route", "upstream"};

constexpr Descriptor kAccepted[] = {{"clients_accepted", "Connections accepted."}};
constexpr GroupDescriptor kAcceptedGroup{kAccepted, {}};

constexpr Descriptor kWorker[] = {
    {"worker_sessions", "Connections of this worker.", Type::gauge},
    {"worker_requests", "Requests of this worker that were answered with ReadyForQuery."}};
constexpr std::string_view kWorkerLabel[] = {"worker"};
constexpr GroupDescriptor kWorkerGroup{kWorker, kWorkerLabel};

constexpr Descriptor kBuffers[] = {
    {"buffers_in_use", "Of memory_limit, sampled twice a second.", Type::gauge, Unit::bytes}};
constexpr GroupDescriptor kBuffersGroup{kBuffers, {}};

constexpr Descriptor kClients[] = {{"clients", "Client connections by state.", Type::gauge}};
constexpr std::string_view kStateLabel[] = {"state"};
constexpr GroupDescriptor kClientsGroup{kClients, kStateLabel};
constexpr std::string_view kStateNames[] = {"login", "active", "closing"};
static_assert(std::size(kStateNames) == static_cast<size_t>(ClientState::kCount));

constexpr Descriptor kCloses[] = {{"closes", "Client connections closed, by reason."}};
constexpr std::string_view kReasonLabel[] = {"reason"};
constexpr GroupDescriptor kClosesGroup{kCloses, kReasonLabel};

constexpr Descriptor kFirstPackets[] = {{"first_packets", "What clients began with."}};
constexpr std::string_view kKindLabel[] = {"kind"};
constexpr GroupDescriptor kFirstPacketsGroup{kFirstPackets, kKindLabel};
constexpr std::string_view kFirstPacketNames[] = {
    "nothing", "direct_tls", "ssl_request", "gssenc_request", "startup", "cancel", "malformed"};
static_assert(std::size(kFirstPacketNames) ==
              static_cast<size_t>(wire::FirstPacket::malformed) + 1);

constexpr Descriptor kCancels[] = {
    {"cancel_requests", "Cancel requests of clients, by what became of them."}};
constexpr std::string_view kOutcomeLabel[] = {"outcome"};
constexpr GroupDescriptor kCancelsGroup{kCancels, kOutcomeLabel};
constexpr std::string_view kOutcomeNames[] = {
    "sent", "failed", "unknown_key", "limited", "passthrough_dropped", "unanswered"};
static_assert(std::size(kOutcomeNames) == static_cast<size_t>(CancelOutcome::kCount));

constexpr Descriptor kServerCancels[] = {
    {"server_cancels", "Cancel requests to servers, by what became of them."}};
constexpr GroupDescriptor kServerCancelsGroup{kServerCancels, kOutcomeLabel};

constexpr Descriptor kHandshakes[] = {{"handshakes", "What clients showed in their handshakes."}};
constexpr std::string_view kHandshakeLabels[] = {"fact", "value"};
constexpr GroupDescriptor kHandshakesGroup{kHandshakes, kHandshakeLabels};

}  // namespace

const GroupDescriptor kRouteMetrics{kRoute, kRouteLabels};

WorkerMetrics::WorkerMetrics(observe::Registry& registry, uint32_t worker)
    : registry_(registry),
      worker_(worker),
      accepted_(cell(kAcceptedGroup, {})),
      by_worker_(cell(kWorkerGroup, {std::to_string(worker)})),
      buffers_(cell(kBuffersGroup, {})) {
  for (size_t i = 0; i < clients_.size(); ++i)
    clients_[i] = cell(kClientsGroup, {std::string(kStateNames[i])});
  for (size_t i = 0; i < closes_.size(); ++i) {
    closes_[i] = cell(kClosesGroup, {std::string(reason_name(static_cast<Reason>(i)))});
  }
  for (size_t i = 0; i < first_packets_.size(); ++i) {
    first_packets_[i] = cell(kFirstPacketsGroup, {std::string(kFirstPacketNames[i])});
  }
  for (size_t i = 0; i < cancels_.size(); ++i)
    cancels_[i] = cell(kCancelsGroup, {std::string(kOutcomeNames[i])});
  for (CancelOutcome outcome :
       {CancelOutcome::sent, CancelOutcome::failed, CancelOutcome::unanswered}) {
    auto i = static_cast<size_t>(outcome);
    server_cancels_[i] = cell(kServerCancelsGroup, {std::string(kOutcomeNames[i])});
  }
}

void WorkerMetrics::count_handshake(std::string_view fact, std::string_view value) {
  observe::Cell*& found = handshakes_[{std::string(fact), std::string(value)}];
  if (found == nullptr) found = cell(kHandshakesGroup, {std::string(fact), std::string(value)});
  found->add();
}

observe::Cell* WorkerMetrics::cell(const GroupDescriptor& descriptor,
                                   const std::vector<std::string>& values) {
  groups_.push_back(registry_.group(descriptor, values));
  return groups_.back()->cells(worker_);
}

}  // namespace trunkline::session
