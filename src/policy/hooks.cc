#include "policy/hooks.h"

#include <utility>

namespace trunkline::policy {

HookChain::HookChain(std::vector<std::shared_ptr<Hook>> hooks) {
  hooks_.reserve(hooks.size());
  for (std::shared_ptr<Hook>& hook : hooks) {
    HookMask wants = hook->wants();
    mask_ = static_cast<HookMask>(mask_ | wants);
    hooks_.push_back({std::move(hook), wants});
  }
}

Result<> HookChain::startup(const SessionFacts& session) const {
  return ask(HookEvent::startup, [&](Hook& hook) { return hook.on_startup(session); });
}

Result<> HookChain::authenticated(const SessionFacts& session, std::string_view method) const {
  return ask(HookEvent::authenticated,
             [&](Hook& hook) { return hook.on_authenticated(session, method); });
}

Result<> HookChain::route(const SessionFacts& session, const route::Decision& decision) const {
  return ask(HookEvent::route, [&](Hook& hook) { return hook.on_route(session, decision); });
}

}  // namespace trunkline::policy
