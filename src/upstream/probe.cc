#include "upstream/probe.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "io/socket.h"
#include "io/waiter.h"

namespace trunkline::upstream {

namespace {

struct Probe {
  Server server;
  Duration connect_timeout;
};

// One round's work, shared by the coroutines that take from it; lives in `probe_once`.
struct Round {
  static constexpr uint32_t kDone = 1;

  Round(io::Loop& loop, Resolver& names) : resolver(names), waiter(loop) {}

  Resolver& resolver;
  io::Waiter waiter;
  std::vector<Probe> probes;
  size_t next = 0;
  size_t lanes = 0;
};

bool answered_since(const Server& server, Instant since) {
  std::optional<Instant> answer = server.health->last_answer();
  return answer && *answer >= since;
}

// Why no address took a connection; nullopt when one did.
io::Task<std::optional<std::string>> try_server(io::Loop& loop, const Probe& probe,
                                                Resolver& resolver) {
  Instant deadline = loop.now() + probe.connect_timeout;
  auto addresses = co_await resolver.resolve(loop, probe.server.address, deadline);
  if (!addresses) co_return std::move(addresses.error());
  std::string why;
  for (const io::SocketAddress& address : *addresses) {
    auto socket = co_await io::connect(loop, address, deadline);
    if (socket) co_return std::nullopt;
    why = fmt::format("{}: {}", address.to_string(),
                      std::generic_category().message(-socket.error()));
  }
  co_return why;
}

io::Task<> run_lane(io::Loop& loop, Round& round) {
  while (round.next < round.probes.size()) {
    const Probe& probe = round.probes[round.next++];
    std::optional<std::string> failure = co_await try_server(loop, probe, round.resolver);
    if (failure) {
      probe.server.health->failed(loop.now(), *failure);
    } else {
      probe.server.health->answered(loop.now());
    }
  }
  if (--round.lanes == 0) round.waiter.raise(Round::kDone);
}

std::string why_down(const Upstream& upstream) {
  std::string text;
  for (const Server& server : upstream.servers()) {
    if (!text.empty()) text += "; ";
    std::optional<Health::Failure> failure = server.health->last_failure();
    text += failure ? failure->why : server_name(server.address) + ": not heard of yet";
  }
  return text;
}

}  // namespace

bool answered_lately(const Upstream& upstream, Instant now) {
  return std::ranges::any_of(upstream.servers(), [&](const Server& server) {
    return answered_since(server, now - kAnswerLifetime);
  });
}

Readiness readiness(const Set& set, Instant now) {
  Readiness result{.ready = true, .text = {}};
  for (const auto& [name, upstream] : set.named()) {
    if (answered_lately(*upstream, now)) continue;
    result.ready = false;
    result.text += fmt::format(
        "{}upstream {}: no server has answered within {} ({})", result.text.empty() ? "" : "\n",
        name,
        fmt::format("{} s",
                    std::chrono::duration_cast<std::chrono::seconds>(kAnswerLifetime).count()),
        why_down(*upstream));
  }
  return result;
}

io::Task<> probe_once(io::Loop& loop, std::shared_ptr<const Set> set, Resolver& resolver) {
  Round round(loop, resolver);
  for (const auto& [name, upstream] : set->named()) {
    for (const Server& server : upstream->servers()) {
      if (answered_since(server, loop.now() - kQuietFor)) continue;
      round.probes.push_back({server, upstream->connect_timeout()});
    }
  }
  if (round.probes.empty()) co_return;
  round.lanes = std::min(kProbesAtOnceMax, round.probes.size());
  for (size_t lane = round.lanes; lane > 0; --lane) loop.spawn(run_lane(loop, round));
  co_await round.waiter.wait(Round::kDone);
}

io::Task<> probe_loop(io::Loop& loop, std::function<std::shared_ptr<const Set>()> current,
                      Resolver& resolver) {
  while (true) {
    Instant next = loop.now() + kProbeInterval;
    co_await probe_once(loop, current(), resolver);
    co_await loop.sleep_until(next);
  }
}

}  // namespace trunkline::upstream
