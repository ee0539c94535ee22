#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "policy/postgres_stats.h"
#include "route/decision.h"
#include "route/facts.h"

namespace trunkline::policy {

// What a hook can ask to be told.
enum class HookEvent : uint8_t {
  startup = 1 << 0,
  authenticated = 1 << 1,
  route = 1 << 2,
  command_complete = 1 << 3,
  transaction_end = 1 << 4,
  close = 1 << 5,
};
using HookMask = uint8_t;
constexpr HookMask operator|(HookEvent a, HookEvent b) {
  return static_cast<HookMask>(static_cast<HookMask>(a) | static_cast<HookMask>(b));
}
constexpr HookMask operator|(HookMask a, HookEvent b) {
  return static_cast<HookMask>(a | static_cast<HookMask>(b));
}

// Facts are borrowed: they live within the call.
struct SessionFacts {
  uint64_t id;                 // the one in the log
  const route::Facts& client;  // its names are hostile
};

struct CloseFacts {
  Reason reason;
  std::string_view detail;
  Duration lifetime;
};

// Something that watches sessions and may refuse them. Called on the worker of the session, for
// sessions of all workers: thread-safe, quick, never blocks. An `Error` refuses the session and is
// shown to its client.
class Hook {
 public:
  virtual ~Hook() = default;

  // HookEvents together; asked once.
  virtual HookMask wants() const = 0;

  // The startup packet is read. Nothing the client says of itself is proven.
  virtual Result<> on_startup(const SessionFacts&) { return {}; }
  // The client has proven who it is. Not called where the server does that (`auth: relay`).
  virtual Result<> on_authenticated(const SessionFacts&, std::string_view /*method*/) { return {}; }
  // The route is found; no server has been asked yet.
  virtual Result<> on_route(const SessionFacts&, const route::Decision&) { return {}; }
  // `tag` is the server's, without its zero byte.
  virtual void on_command_complete(const SessionFacts&, CommandKind, std::string_view /*tag*/) {}
  virtual void on_transaction_end(const SessionFacts&, TransactionsEnded) {}
  // Always the last, also of a session that was refused.
  virtual void on_close(const SessionFacts&, const CloseFacts&) {}
};

// The hooks of one configuration, in order. Immutable and shared by all workers. An event nobody
// wants costs one branch; ask `wants` first where facts are dear to build.
class HookChain {
 public:
  HookChain() = default;
  explicit HookChain(std::vector<std::shared_ptr<Hook>> hooks);

  bool wants(HookEvent event) const { return (mask_ & static_cast<HookMask>(event)) != 0; }

  // The first hook that refuses ends the walk.
  Result<> startup(const SessionFacts& session) const;
  Result<> authenticated(const SessionFacts& session, std::string_view method) const;
  Result<> route(const SessionFacts& session, const route::Decision& decision) const;

  void command_complete(const SessionFacts& session, CommandKind command,
                        std::string_view tag) const {
    if (wants(HookEvent::command_complete)) [[unlikely]] {
      tell(HookEvent::command_complete,
           [&](Hook& hook) { hook.on_command_complete(session, command, tag); });
    }
  }
  void transaction_end(const SessionFacts& session, TransactionsEnded ended) const {
    if (wants(HookEvent::transaction_end)) [[unlikely]] {
      tell(HookEvent::transaction_end,
           [&](Hook& hook) { hook.on_transaction_end(session, ended); });
    }
  }
  void close(const SessionFacts& session, const CloseFacts& facts) const {
    tell(HookEvent::close, [&](Hook& hook) { hook.on_close(session, facts); });
  }

 private:
  struct Entry {
    std::shared_ptr<Hook> hook;
    HookMask wants;
  };

  template <typename Call>
  void tell(HookEvent event, Call call) const {
    for (const Entry& entry : hooks_) {
      if ((entry.wants & static_cast<HookMask>(event)) != 0) call(*entry.hook);
    }
  }

  template <typename Call>
  Result<> ask(HookEvent event, Call call) const {
    Result<> answer;
    tell(event, [&](Hook& hook) {
      if (answer) answer = call(hook);
    });
    return answer;
  }

  std::vector<Entry> hooks_;
  HookMask mask_ = 0;
};

}  // namespace trunkline::policy
