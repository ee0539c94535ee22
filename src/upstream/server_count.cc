#include "upstream/server_count.h"

#include <iterator>

namespace trunkline::upstream {

namespace {

using observe::Descriptor;
using observe::Type;

constexpr Descriptor server_connections(std::string_view state) {
  return {.name = "server_connections",
          .help = "Server connections by state.",
          .type = Type::gauge,
          .label = "state",
          .label_value = state};
}
constexpr Descriptor kServers[] = {server_connections("login"), server_connections("idle"),
                                   server_connections("active"), server_connections("opaque")};
static_assert(std::size(kServers) == static_cast<size_t>(ServerState::kCount));
constexpr std::string_view kUpstreamLabel[] = {"upstream"};

}  // namespace

const observe::GroupDescriptor kServerConnections{kServers, kUpstreamLabel};

}  // namespace trunkline::upstream
