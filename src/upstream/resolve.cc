#include "upstream/resolve.h"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "io/timer.h"
#include "io/waiter.h"
#include "upstream/upstream.h"

namespace trunkline::upstream {

namespace {

using SocketAddresses = std::expected<std::vector<io::SocketAddress>, std::string>;

SocketAddresses with_port(const std::string& host, const Resolver::Addresses& addresses,
                          uint16_t port) {
  if (!addresses) {
    return std::unexpected(fmt::format("cannot resolve \"{}\": {}", host, addresses.error()));
  }
  std::vector<io::SocketAddress> sockets;
  for (const IpAddress& address : *addresses) {
    sockets.push_back(io::SocketAddress::ip(address, port));
  }
  return sockets;
}

// What needs no look-up; nullopt for a name.
std::optional<SocketAddresses> at_once(const config::ServerAddress& server) {
  if (server.is_unix()) {
    std::string path = server_name(server);
    auto address = io::SocketAddress::unix_path(path);
    if (!address) return std::unexpected(fmt::format("the path {} is too long", path));
    return std::vector{*address};
  }
  if (auto address = IpAddress::parse(server.host)) {
    return std::vector{io::SocketAddress::ip(*address, server.port)};
  }
  return std::nullopt;
}

}  // namespace

// The cache and the look-ups under way. Any thread; the lock is taken at login only.
class Resolver::Names {
 public:
  static constexpr uint32_t kAnswered = 1;

  // A task that waits for a look-up. The mail to its loop keeps the record alive; all but `loop`
  // belongs to the loop's thread.
  struct Waiter {
    io::Loop& loop;
    io::Waiter* task;  // null once it has stopped waiting
    std::shared_ptr<const Addresses> answer = nullptr;
  };
  using WaiterPtr = std::shared_ptr<Waiter>;

  Names(Lookup lookup, Now now) : lookup_(std::move(lookup)), now_(std::move(now)) {}

  std::optional<Addresses> cached(const std::string& host) const;

  // What is known by now, or the waiter waits. The first to wait for a name starts its look-up.
  struct Joined {
    std::optional<Addresses> answer;
    bool must_start = false;
  };
  Joined join(const std::string& host, const WaiterPtr& waiter);
  void leave(const std::string& host, const WaiterPtr& waiter);

  // Blocks, on a thread of its own; tells all who wait.
  void look_up(const std::string& host);

  size_t size() const;

 private:
  struct Entry {
    Addresses addresses;
    Instant expires;
  };

  std::optional<Addresses> find(const std::string& host) const;
  void remember(const std::string& host, const Addresses& addresses);

  const Lookup lookup_;
  const Now now_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> known_;
  std::unordered_map<std::string, std::unordered_set<WaiterPtr>> under_way_;
};

std::optional<Resolver::Addresses> Resolver::Names::cached(const std::string& host) const {
  std::lock_guard lock(mutex_);
  return find(host);
}

std::optional<Resolver::Addresses> Resolver::Names::find(const std::string& host) const {
  auto found = known_.find(host);
  if (found == known_.end() || found->second.expires <= now_()) return std::nullopt;
  return found->second.addresses;
}

Resolver::Names::Joined Resolver::Names::join(const std::string& host, const WaiterPtr& waiter) {
  std::lock_guard lock(mutex_);
  if (std::optional<Addresses> known = find(host)) return {.answer = std::move(known)};
  auto found = under_way_.find(host);
  bool is_first = found == under_way_.end();
  if (is_first) {
    if (under_way_.size() >= kLookupsMax) {
      return {.answer = std::unexpected("too many names are being looked up at once")};
    }
    found = under_way_.try_emplace(host).first;
  }
  found->second.insert(waiter);
  return {.answer = std::nullopt, .must_start = is_first};
}

void Resolver::Names::leave(const std::string& host, const WaiterPtr& waiter) {
  std::lock_guard lock(mutex_);
  if (auto found = under_way_.find(host); found != under_way_.end()) found->second.erase(waiter);
}

void Resolver::Names::look_up(const std::string& host) {
  Addresses addresses = lookup_(host);
  if (addresses && addresses->size() > kAddressesMax) addresses->resize(kAddressesMax);
  auto answer = std::make_shared<const Addresses>(std::move(addresses));
  // Posted under the lock: who is in the list has not left, so its loop is there.
  std::lock_guard lock(mutex_);
  remember(host, *answer);
  auto ended = under_way_.extract(host);
  for (const WaiterPtr& waiter : ended.mapped()) {
    waiter->loop.post([waiter, answer] {
      if (waiter->task == nullptr) return;
      waiter->answer = answer;
      waiter->task->raise(kAnswered);
    });
  }
}

// A lifetime begins when the answer is there: one that took long is not old yet.
void Resolver::Names::remember(const std::string& host, const Addresses& addresses) {
  if (known_.size() >= kNamesMax && !known_.contains(host)) {
    known_.erase(std::ranges::min_element(known_, {},
                                          [](const auto& entry) { return entry.second.expires; }));
  }
  Duration lifetime = addresses ? kNameLifetime : kFailureLifetime;
  known_.insert_or_assign(host, Entry{addresses, now_() + lifetime});
}

size_t Resolver::Names::size() const {
  std::lock_guard lock(mutex_);
  return known_.size();
}

// Takes the waiter out of the look-up when the task ends, however it ends: so nothing is posted to
// a loop that is gone, and who has given up leaves nothing behind.
class Resolver::Waiting {
 public:
  Waiting(Names& names, const std::string& host, io::Waiter& task)
      : names_(names),
        host_(host),
        waiter_(new Names::Waiter{.loop = task.loop(), .task = &task}) {}
  ~Waiting() {
    waiter_->task = nullptr;
    names_.leave(host_, waiter_);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  const Names::WaiterPtr& waiter() const { return waiter_; }

 private:
  Names& names_;
  const std::string& host_;
  const Names::WaiterPtr waiter_;
};

Resolver::Resolver(unsigned threads, Lookup lookup, Now now)
    : names_(std::make_shared<Names>(std::move(lookup), std::move(now))),
      threads_(threads > 0 ? std::make_unique<io::BlockingPool>(threads) : nullptr) {}

Resolver::~Resolver() {
  if (threads_) threads_->abandon();
}

io::Task<SocketAddresses> Resolver::resolve(io::Loop& loop, config::ServerAddress server,
                                            Instant deadline) {
  constexpr uint32_t kLate = 2;
  if (auto known = at_once(server)) co_return std::move(*known);
  if (auto known = names_->cached(server.host))
    co_return with_port(server.host, *known, server.port);
  io::Waiter task(loop);
  Waiting waiting(*names_, server.host, task);
  Names::Joined joined = names_->join(server.host, waiting.waiter());
  if (joined.must_start) {
    auto work = [names = names_, host = server.host] { names->look_up(host); };
    if (threads_) {
      threads_->submit(std::move(work));
    } else {
      work();
    }
  }
  if (joined.answer) co_return with_port(server.host, *joined.answer, server.port);
  io::Timer timer(task, kLate);
  timer.start(deadline);
  co_await task.wait(Names::kAnswered | kLate);
  const std::shared_ptr<const Addresses>& answer = waiting.waiter()->answer;
  co_return with_port(server.host, answer ? *answer : std::unexpected("timeout expired"),
                      server.port);
}

size_t Resolver::size() const {
  return names_->size();
}

Resolver::Addresses Resolver::system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  if (int error = getaddrinfo(host.c_str(), nullptr, &hints, &first); error != 0) {
    return std::unexpected(std::string(gai_strerror(error)));
  }
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(first, freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* info = first; info != nullptr; info = info->ai_next) {
    if (info->ai_family != AF_INET && info->ai_family != AF_INET6) continue;
    addresses.push_back(io::SocketAddress::from_raw(info->ai_addr, info->ai_addrlen).ip_address());
  }
  if (addresses.empty()) return std::unexpected("the name has no address");
  return addresses;
}

}  // namespace trunkline::upstream
