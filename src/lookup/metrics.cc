#include "lookup/metrics.h"

namespace trunkline::lookup {

namespace {

using observe::Descriptor;
using observe::Type;
using observe::Unit;

constexpr Descriptor kOfUpstream[] = {
    {"auth_query_lookups", "Users that a server was asked for."},
    {"auth_query_failures", "Of these, those that got no answer."},
    {"auth_query_cache_hits", "Users that were known from an earlier look-up."},
    {"auth_query_duration", "From the first login that asks to the answer, connecting included.",
     Type::histogram, Unit::seconds},
};
static_assert(observe::cell_offset(kOfUpstream, 3) == AuthQueryCells::kSeconds);
constexpr std::string_view kUpstreamLabel[] = {"upstream"};

}  // namespace

const observe::GroupDescriptor kAuthQueryMetrics{kOfUpstream, kUpstreamLabel};

}  // namespace trunkline::lookup
