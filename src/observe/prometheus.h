#pragma once

#include <span>
#include <string>
#include <string_view>

#include "observe/metrics.h"

namespace trunkline::observe {

inline constexpr std::string_view kPrometheusContentType =
    "text/plain; version=0.0.4; charset=utf-8";

// May start the name of a metric: [a-zA-Z_][a-zA-Z0-9_]*.
bool is_metric_prefix(std::string_view prefix);

// The families in Prometheus' text format 0.0.4. A name is `<prefix>_<name>`, then `_seconds` or
// `_bytes` by the unit, then `_total` for counters.
std::string prometheus_text(std::span<const Family> families, std::string_view prefix);

}  // namespace trunkline::observe
