#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "tls/context.h"
#include "upstream/dynamic.h"
#include "upstream/upstream.h"

namespace trunkline::upstream {

// All upstreams of one configuration: the named ones and those written inline in routes. Immutable,
// part of the snapshot; any thread.
class Set {
 public:
  // `previous` is the set this one replaces, or null. An upstream that the reload does not touch
  // stays the same object, unless its certificate files have changed; servers of a touched one
  // keep their health. Reads certificate files, never the network. nullptr after an error.
  static std::shared_ptr<const Set> compile(const config::Config& config, const Set* previous,
                                            tls::Findings& findings);

  using Named = std::map<std::string, UpstreamPtr, std::less<>>;
  const Named& named() const { return named_; }

  // Where `routes[index]` leads, possibly a pattern; null for a route that rejects.
  UpstreamPtr of_route(size_t index) const { return of_route_[index]; }

  // The upstream, when there is one only and it has one server and no captures; else null.
  UpstreamPtr only() const;

  // The upstream of a pattern of this set, with these hosts in the place of its own.
  Result<UpstreamPtr> fill_in(const UpstreamPtr& pattern,
                              const std::vector<std::string>& hosts) const {
    return dynamic_->get(pattern, hosts, dynamic_max_);
  }

 private:
  class Builder;
  Set() = default;

  Named named_;
  std::vector<UpstreamPtr> of_route_;
  std::map<std::string, UpstreamPtr, std::less<>> inline_;  // by servers and TLS settings
  std::shared_ptr<DynamicUpstreams> dynamic_;
  uint32_t dynamic_max_ = 0;
};

}  // namespace trunkline::upstream
