#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "pool/reported.h"
#include "pool/settings.h"
#include "wire/builders.h"

namespace trunkline::pool {

// What a client is told at its login, by the settings of its startup packet: tried once on a server
// connection, then known, so that a login onto a warm pool asks no server. Any thread.
class Greetings {
 public:
  // Clients choose their settings: more kinds than this are tried anew each time.
  static constexpr size_t kKept = 256;

  struct Greeting {
    SettingsPtr settings;
    ReportedPtr reported;
    // What the server has noticed, then ParameterStatus for each of `reported`.
    std::shared_ptr<const std::string> messages;
  };

  std::optional<Greeting> find(const Settings& settings) const {
    std::lock_guard lock(mutex_);
    auto found = known_.find(settings);
    if (found == known_.end()) return std::nullopt;
    return found->second;
  }

  // `since`: what `version` said before it was tried. Not kept when it is outdated already.
  Greeting add(Settings settings, Reported reported, uint64_t since,
               std::string_view notices = {}) {
    std::string messages(notices);
    // As the server spells them, of which it notices nothing any more.
    Settings spelt = settings;
    for (const auto& [name, value] : reported) {
      if (spelt.find(name) != nullptr) spelt.set(name, value);
    }
    for (const auto& [name, value] : reported) {
      wire::append_parameter_status(messages, name, value);
    }
    Greeting made{std::make_shared<const Settings>(std::move(spelt)),
                  std::make_shared<const Reported>(std::move(reported)),
                  std::make_shared<const std::string>(std::move(messages))};
    std::lock_guard lock(mutex_);
    if (since != version_) return made;
    if (known_.size() >= kKept) known_.clear();
    return known_.emplace(std::move(settings), made).first->second;
  }

  uint64_t version() const {
    std::lock_guard lock(mutex_);
    return version_;
  }
  // The server may give its sessions other defaults from now on.
  void forget() {
    std::lock_guard lock(mutex_);
    ++version_;
    known_.clear();
  }

 private:
  mutable std::mutex mutex_;
  uint64_t version_ = 0;
  std::map<Settings, Greeting> known_;
};

}  // namespace trunkline::pool
