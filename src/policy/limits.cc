#include "policy/limits.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <fmt/format.h>

namespace trunkline::policy {

namespace {

Error too_many(std::string message, std::string hint) {
  return {.reason = Reason::client_limit,
          .side = Side::client,
          .sqlstate = sqlstate::kTooManyConnections,
          .message = std::move(message),
          .hint = std::move(hint)};
}

// Only where somebody is counted is there an entry.
void leave_entry(auto& table, auto* entry) {
  if (entry != nullptr && --entry->second == 0) table.erase(table.find(entry->first));
}

constexpr size_t kV6NetworkBytes = 8;

IpAddress network_of(const IpAddress& address) {
  if (address.is_v4()) return address;
  std::array<uint8_t, 16> network{};
  std::copy_n(address.bytes(), kV6NetworkBytes, network.begin());
  return IpAddress::v6(network.data());
}

}  // namespace

Source::Source(const IpAddress& address) : who_(network_of(address)) {}

Source Source::user(std::optional<uint32_t> uid) {
  return Source(uid);
}

std::string Source::to_string() const {
  if (const auto* user = std::get_if<User>(&who_))
    return *user ? fmt::format("user {}", **user) : "unknown user";
  const IpAddress& address = std::get<IpAddress>(who_);
  if (address.is_v4()) return "address " + address.to_string();
  return fmt::format("network {}/{}", address.to_string(), 8 * kV6NetworkBytes);
}

void Ticket::release() {
  if (limits_ != nullptr) limits_->leave(*this);
}

void ConnectionLimits::set(uint32_t clients_max, std::optional<uint32_t> per_source_max) {
  std::lock_guard lock(mutex_);
  clients_max_ = clients_max;
  per_source_max_ = per_source_max;
}

Result<Ticket> ConnectionLimits::admit(const std::optional<IpAddress>& address) {
  std::lock_guard lock(mutex_);
  if (clients_ >= clients_max_) {
    return fail(too_many("sorry, too many clients already",
                         fmt::format("The limit is set by \"max_clients\": {}.", clients_max_)));
  }
  Ticket ticket;
  if (address) {
    Source source(*address);
    auto entry = sources_.find(source);
    if (per_source_max_ && (entry == sources_.end() ? 0 : entry->second) >= *per_source_max_) {
      return fail(too_many(
          fmt::format("too many connections from {}", source.to_string()),
          fmt::format("The limit is set by \"max_clients_per_source\": {}.", *per_source_max_)));
    }
    if (entry == sources_.end()) entry = sources_.emplace(source, 0).first;
    ++entry->second;
    ticket.source_ = &*entry;
  }
  ++clients_;
  ticket.limits_ = this;
  return ticket;
}

Result<> ConnectionLimits::enter_route(Ticket& ticket, std::string_view route,
                                       std::optional<uint32_t> max) {
  assert(ticket.limits_ == this);
  std::lock_guard lock(mutex_);
  if (ticket.route_ != nullptr && ticket.route_->first == route) return {};
  auto entry = routes_.find(route);
  if (max && (entry == routes_.end() ? 0 : entry->second) >= *max) {
    // Its name says whom it matches: that is for the log, not for the client.
    return fail(
        too_many("too many connections for this route",
                 fmt::format("The limit is set by the route's \"max_clients\": {}.", *max)));
  }
  if (entry == routes_.end()) entry = routes_.emplace(route, 0).first;
  ++entry->second;
  leave_entry(routes_, ticket.route_);
  ticket.route_ = &*entry;
  return {};
}

void ConnectionLimits::leave(Ticket& ticket) {
  std::lock_guard lock(mutex_);
  --clients_;
  leave_entry(sources_, ticket.source_);
  leave_entry(routes_, ticket.route_);
  ticket.limits_ = nullptr;
  ticket.source_ = nullptr;
  ticket.route_ = nullptr;
}

uint32_t ConnectionLimits::clients() const {
  std::lock_guard lock(mutex_);
  return clients_;
}

size_t ConnectionLimits::sources() const {
  std::lock_guard lock(mutex_);
  return sources_.size();
}

size_t ConnectionLimits::routes() const {
  std::lock_guard lock(mutex_);
  return routes_.size();
}

bool RateLimiter::allow(const Source& source, Instant now) {
  std::lock_guard lock(mutex_);
  auto bucket = full_at_.find(source);
  if (bucket == full_at_.end()) {
    if (full_at_.size() >= sources_max_ && !make_room(now)) return false;
    bucket = full_at_.emplace(source, now).first;
  }
  Instant full_at = std::max(bucket->second, now) + interval_;
  if (full_at - now > interval_ * burst_) return false;
  bucket->second = full_at;
  return true;
}

// Walks the table at most once an interval, so that a flood of addresses costs no more than that.
bool RateLimiter::make_room(Instant now) {
  if (swept_at_ != Instant::min() && now - swept_at_ < interval_) return false;
  swept_at_ = now;
  return std::erase_if(full_at_, [now](const auto& bucket) { return bucket.second <= now; }) > 0;
}

size_t RateLimiter::sources() const {
  std::lock_guard lock(mutex_);
  return full_at_.size();
}

}  // namespace trunkline::policy
