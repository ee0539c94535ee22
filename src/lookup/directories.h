#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "lookup/directory.h"

namespace trunkline::lookup {

using DirectoryPtr = std::shared_ptr<Directory>;

// The directories of the process: one for each upstream and `auth_query` that a login has asked.
// They go when nothing of them is used or kept any more, and a reload that changes either leads new
// logins to another. Any thread; asked at logins. As many as routes have different ones.
class Directories {
 public:
  explicit Directories(observe::Registry& metrics) : metrics_(metrics) {}

  DirectoryPtr get(const upstream::UpstreamPtr& upstream,
                   const std::shared_ptr<const config::AuthQuery>& settings);

  // Once a second, by one worker.
  void tend(const Context& context);

  size_t size() const {
    std::lock_guard lock(mutex_);
    return all_.size();
  }

 private:
  observe::Registry& metrics_;
  mutable std::mutex mutex_;
  std::vector<DirectoryPtr> all_;
};

}  // namespace trunkline::lookup
