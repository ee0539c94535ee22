#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/time.h"
#include "io/loop.h"
#include "io/task.h"
#include "upstream/resolve.h"
#include "upstream/set.h"

namespace trunkline::upstream {

inline constexpr Duration kProbeInterval = 10s;
// A server that answered within this time before a round of probes is not probed: its traffic shows
// that it lives. Half an interval, so that what is skipped once is asked again before
// `kAnswerLifetime` ends.
inline constexpr Duration kQuietFor = kProbeInterval / 2;
inline constexpr Duration kAnswerLifetime = 2 * kProbeInterval;
inline constexpr size_t kProbesAtOnceMax = 32;

struct Readiness {
  bool ready;
  std::string text;  // which upstreams are down and why; empty when ready
};

// Ready when at least one server of each named upstream has answered within `kAnswerLifetime`, by
// traffic or by a probe. Pure; any thread.
bool answered_lately(const Upstream& upstream, Instant now);
Readiness readiness(const Set& set, Instant now);

// One round: a TCP connect to each quiet server of the named upstreams, at most `kProbesAtOnceMax`
// at a time, each bounded by its upstream's connect_timeout. Ends when all are decided.
io::Task<> probe_once(io::Loop& loop, std::shared_ptr<const Set> set, Resolver& resolver);

// Rounds for ever, the first at once, each with the set that serves by then; ends with its loop.
// One for the process, on the control thread.
io::Task<> probe_loop(io::Loop& loop, std::function<std::shared_ptr<const Set>()> current,
                      Resolver& resolver);

}  // namespace trunkline::upstream
