// Must hold: the machine consumes no more than it was shown, ends within a bounded number of steps,
// never asks for bytes it may not read, and finds the same whether the bytes come at once or one by
// one (as far as it may read).
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "wire/first_bytes.h"
#include "wire/startup.h"

namespace {

using trunkline::wire::FirstBytes;
using Action = FirstBytes::Action;

void require(bool holds) {
  if (!holds) std::abort();
}

// What happened, as text: the actions and what they carry.
std::string run(std::string_view input, bool tls, size_t chunk) {
  FirstBytes machine(tls);
  std::string pending;
  std::string story;
  bool replayed = false;
  while (true) {
    FirstBytes::Step step = machine.step(pending);
    require(step.consumed <= pending.size());
    if (step.action == Action::need_more) {
      size_t may = std::min({machine.max_read(pending), input.size(), chunk});
      require(machine.max_read(pending) > 0);
      require(pending.size() + may <= trunkline::wire::kStartupLengthMax);
      if (may == 0) return story;
      pending.append(input.substr(0, may));
      input.remove_prefix(may);
      continue;
    }
    story += std::to_string(static_cast<int>(step.action)) + step.error.message;
    story.append(step.body).append(step.cancel.key);
    if (step.action == Action::startup) (void)trunkline::wire::parse_startup(step.body);
    bool tls_begins = step.action == Action::accept_tls || step.action == Action::direct_tls;
    if (tls_begins) {
      require(step.replay.size() <= FirstBytes::kReplayBytesMax);
      require(!replayed);
      replayed = true;
      machine.tls_started();
      // The replayed bytes are TLS's; drop as many of the input whatever the chunk was, so that
      // both runs go on at the same byte.
      if (step.action == Action::direct_tls) {
        input.remove_prefix(std::min(input.size(), FirstBytes::kReplayBytesMax - pending.size()));
      }
    }
    pending.erase(0, step.consumed);
    if (step.action != Action::answer && !tls_begins) return story;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  bool tls = data[0] & 1;
  std::string whole = run(input, tls, input.size() + 1);
  std::string bytewise = run(input, tls, 1);
  // Stuffed bytes are seen only when they arrive together with the request.
  if (!whole.contains("received unencrypted data")) require(whole == bytewise);
  return 0;
}
