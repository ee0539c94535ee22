#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "app/systemd.h"
#include "base/time.h"
#include "config/model.h"

namespace trunkline::app {

// The listening sockets of the process, in the order of `listen`. Owned by the process, used on the
// control thread; workers borrow the descriptors. Closes them and removes the files of unix sockets
// that it made.
class Listeners {
 public:
  Listeners() = default;
  ~Listeners() { close(); }
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  // Opens what is configured; sockets that systemd has opened already (same address) are taken
  // over. The error names every address that could not be listened on, and those that were passed
  // and are in no entry.
  std::expected<void, std::string> open(const std::vector<config::Listen>& listen,
                                        std::vector<InheritedSocket> inherited,
                                        std::optional<Duration> tcp_user_timeout);
  // Of the clients that come from now on.
  void set_tcp_user_timeout(std::optional<Duration> timeout);

  void close();

  const std::vector<int>& fds() const { return fds_; }
  // Addresses cannot change while serving: what differs, as a sentence, or empty.
  std::string difference(const std::vector<config::Listen>& listen) const;

 private:
  std::vector<int> fds_;
  std::vector<std::string> names_;
  std::vector<std::string> unix_paths_;  // of sockets we made
};

}  // namespace trunkline::app
