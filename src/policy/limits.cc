#include "policy/limits.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <fmt/format.h>
#include <utility>

namespace trunkline::policy {

namespace {

Error too_many(Reason reason, std::string message, std::string hint) {
  return {.reason = reason,
          .side = Side::client,
          .sqlstate = sqlstate::kTooManyConnections,
          .message = std::move(message),
          .hint = std::move(hint)};
}

std::string set_by(std::string_view setting, uint32_t max) {
  return fmt::format("The limit is set by \"{}\": {}.", setting, max);
}

Error too_many_by_name(NameKind kind, std::string_view name, uint32_t max) {
  switch (kind) {
    case NameKind::route:
      // Its name says whom it matches: that is for the log, not for the client.
      return too_many(Reason::client_limit_route, "too many connections for this route",
                      fmt::format("The limit is set by the route's \"max_clients\": {}.", max));
    case NameKind::user:
      return too_many(Reason::client_limit_user,
                      fmt::format("too many connections for role \"{}\"", name),
                      set_by("max_clients_per_user", max));
    case NameKind::database:
      return too_many(Reason::client_limit_database,
                      fmt::format("too many connections for database \"{}\"", name),
                      set_by("max_clients_per_database", max));
  }
  std::unreachable();
}

template <typename Table>
bool is_full(const Table& table, typename Table::const_iterator entry,
             std::optional<uint32_t> max) {
  return max && (entry == table.end() ? 0 : entry->second) >= *max;
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

void ConnectionLimits::set(const ClientLimits& limits) {
  std::lock_guard lock(mutex_);
  limits_ = limits;
}

Result<Ticket> ConnectionLimits::admit(const std::optional<IpAddress>& address) {
  std::lock_guard lock(mutex_);
  if (clients_ >= limits_.clients_max) {
    return fail(too_many(Reason::client_limit, "sorry, too many clients already",
                         set_by("max_clients", limits_.clients_max)));
  }
  Ticket ticket;
  if (address) {
    Source source(*address);
    auto entry = sources_.find(source);
    if (is_full(sources_, entry, limits_.per_source_max)) {
      return fail(too_many(Reason::client_limit_source,
                           fmt::format("too many connections from {}", source.to_string()),
                           set_by("max_clients_per_source", *limits_.per_source_max)));
    }
    if (entry == sources_.end()) entry = sources_.emplace(source, 0).first;
    ++entry->second;
    ticket.source_ = &*entry;
  }
  ++clients_;
  ticket.limits_ = this;
  return ticket;
}

Result<> ConnectionLimits::enter(Ticket& ticket, const Membership& membership) {
  assert(ticket.limits_ == this);
  const std::array<std::pair<std::string_view, std::optional<uint32_t>>, kNameKinds> wanted{{
      {membership.route, membership.route_max},
      {membership.user, limits_.per_user_max},
      {membership.database, limits_.per_database_max},
  }};
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < kNameKinds; ++i) {
    auto [name, max] = wanted[i];
    bool is_there = ticket.names_[i] != nullptr && ticket.names_[i]->first == name;
    if (is_there || name.empty() || !is_full(names_[i], names_[i].find(name), max)) continue;
    return fail(too_many_by_name(static_cast<NameKind>(i), name, *max));
  }
  for (size_t i = 0; i < kNameKinds; ++i) {
    Ticket::NameEntry* before = ticket.names_[i];
    std::string_view name = wanted[i].first;
    ticket.names_[i] = name.empty() ? nullptr : &*names_[i].try_emplace(std::string(name)).first;
    if (ticket.names_[i] != nullptr) ++ticket.names_[i]->second;
    leave_entry(names_[i], before);
  }
  return {};
}

void ConnectionLimits::leave(Ticket& ticket) {
  std::lock_guard lock(mutex_);
  --clients_;
  leave_entry(sources_, ticket.source_);
  for (size_t i = 0; i < kNameKinds; ++i) leave_entry(names_[i], ticket.names_[i]);
  ticket.limits_ = nullptr;
  ticket.source_ = nullptr;
  ticket.names_ = {};
}

uint32_t ConnectionLimits::clients() const {
  std::lock_guard lock(mutex_);
  return clients_;
}

size_t ConnectionLimits::sources() const {
  std::lock_guard lock(mutex_);
  return sources_.size();
}

size_t ConnectionLimits::names() const {
  std::lock_guard lock(mutex_);
  size_t sum = 0;
  for (const Names& each : names_) sum += each.size();
  return sum;
}

void RateLimiter::set(Duration interval, uint32_t burst) {
  std::lock_guard lock(mutex_);
  interval_ = interval;
  burst_ = burst;
}

bool RateLimiter::allow(const Source& source, Instant now) {
  std::lock_guard lock(mutex_);
  if (burst_ == 0) return true;
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
