#include "observe/prometheus.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace trunkline::observe {
namespace {

constexpr Descriptor kMetrics[] = {
    {"postgres_errors", "ERROR messages of the server.", Type::counter},
    {"wait", "Time waited,\nwith a \\ in the help.", Type::histogram, Unit::seconds, {20, 3}},
    {"clients", "Clients.", Type::gauge},
    {"received", "Bytes received.", Type::counter, Unit::bytes},
    {"busy", "Time spent.", Type::counter, Unit::seconds},
};
constexpr std::string_view kLabels[] = {"route", "upstream"};
constexpr GroupDescriptor kDescriptor{kMetrics, kLabels};

// A strict reader of the text format: fails on everything that Prometheus would refuse, and on what
// it would accept but is bad form (a family twice or unordered, samples before TYPE).
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  bool parse() {
    while (!rest_.empty()) {
      size_t end = rest_.find('\n');
      if (end == std::string_view::npos) return false;  // the last line must end too
      std::string_view line = rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
      if (!(line.starts_with("#") ? comment(line) : sample(line))) {
        ADD_FAILURE() << "bad line: " << line;
        return false;
      }
    }
    return true;
  }

  std::map<std::string, std::string> values;  // by name and labels as text
  std::map<std::string, std::string> types;
  std::map<std::string, std::string> unescaped;  // label name to its last value

 private:
  static std::optional<std::string> word(std::string_view& line) {
    size_t n = 0;
    auto good = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
    while (n < line.size() && good(line[n])) ++n;
    if (n == 0 || std::isdigit(static_cast<unsigned char>(line[0]))) return std::nullopt;
    std::string name(line.substr(0, n));
    line.remove_prefix(n);
    return name;
  }

  static bool take(std::string_view& line, std::string_view prefix) {
    if (!line.starts_with(prefix)) return false;
    line.remove_prefix(prefix.size());
    return true;
  }

  bool comment(std::string_view line) {
    bool is_help = line.starts_with("# HELP ");
    if (!is_help && !line.starts_with("# TYPE ")) return false;
    line.remove_prefix(7);
    auto name = word(line);
    if (!name || !take(line, " ")) return false;
    if (is_help) {
      if (*name <= family_) return false;  // once each, in order
      family_ = *name;
      return true;
    }
    return *name == family_ && types.emplace(*name, line).second;
  }

  bool label(std::string_view& line) {
    auto name = word(line);
    if (!name || !take(line, "=\"")) return false;
    std::string value;
    for (;; line.remove_prefix(1)) {
      if (line.empty()) return false;
      if (line[0] == '"') break;
      if (line[0] == '\\') {
        line.remove_prefix(1);
        if (line.empty() || std::string_view("\\\"n").find(line[0]) == std::string_view::npos) {
          return false;
        }
        value += line[0] == 'n' ? '\n' : line[0];
      } else {
        value += line[0];
      }
    }
    line.remove_prefix(1);
    unescaped[*name] = value;
    return names_.insert(*name).second;
  }

  bool sample(std::string_view line) {
    std::string_view whole = line;
    auto name = word(line);
    if (!name || !types.contains(family_)) return false;
    std::string_view suffix = *name;
    if (!take(suffix, family_)) return false;
    const std::string& type = types[family_];
    if (type == "histogram" ? suffix != "_bucket" && suffix != "_sum" && suffix != "_count"
                            : !suffix.empty()) {
      return false;
    }
    if (type == "counter" && !name->ends_with("_total")) return false;
    names_.clear();
    if (take(line, "{")) {
      do {
        if (!label(line)) return false;
      } while (take(line, ","));
      if (!take(line, "}")) return false;
    }
    std::string key(whole.substr(0, whole.size() - line.size()));
    if (!take(line, " ") || line.empty()) return false;
    char* end = nullptr;
    std::string number(line);
    std::strtod(number.c_str(), &end);
    return *end == '\0' && values.emplace(key, number).second;
  }

  std::string_view rest_;
  std::string family_;
  std::set<std::string> names_;
};

TEST(PrometheusText, IsWhatAStrictParserReads) {
  Registry registry(2);
  auto main_group = registry.group(kDescriptor, {"main", "db"});
  auto other_group = registry.group(kDescriptor, {"other", "db"});
  main_group->cells(0)[0].add(41);
  main_group->cells(1)[0].add(1);
  other_group->cells(1)[cell_offset(kMetrics, 2)].sub(2);
  main_group->cells(0)[cell_offset(kMetrics, 3)].add(12'345'678'901);
  main_group->cells(0)[cell_offset(kMetrics, 4)].add(1'500'000'000);
  Cell* wait = main_group->cells(0) + cell_offset(kMetrics, 1);
  record(wait, kMetrics[1].buckets, Duration(1ms));
  record(wait, kMetrics[1].buckets, Duration(2ms));
  record(wait, kMetrics[1].buckets, Duration(1s));
  GaugeHandle started =
      registry.gauge({"ready", "Ready.", Type::gauge}, {}, [] { return int64_t{1}; });

  std::string text = prometheus_text(registry.read(), "tl");
  Parser parser(text);
  ASSERT_TRUE(parser.parse()) << text;
  const std::string labels = R"({route="main",upstream="db"})";
  EXPECT_EQ(parser.values["tl_postgres_errors_total" + labels], "42");
  EXPECT_EQ(parser.values["tl_received_bytes_total" + labels], "12345678901");
  EXPECT_EQ(parser.values["tl_busy_seconds_total" + labels], "1.5");
  EXPECT_EQ(parser.values[R"(tl_clients{route="other",upstream="db"})"], "-2");
  EXPECT_EQ(parser.values["tl_ready"], "1");
  EXPECT_EQ(parser.types["tl_wait_seconds"], "histogram");
  auto bucket = [&](std::string_view le) {
    return parser
        .values[fmt::format(R"(tl_wait_seconds_bucket{{route="main",upstream="db",le="{}"}})", le)];
  };
  EXPECT_EQ(bucket("0.001048576"), "1");
  EXPECT_EQ(bucket("0.002097152"), "2");
  EXPECT_EQ(bucket("0.004194304"), "2");
  EXPECT_EQ(bucket("+Inf"), "3");
  EXPECT_EQ(parser.values["tl_wait_seconds_sum" + labels], "1.003");
  EXPECT_EQ(parser.values["tl_wait_seconds_count" + labels], "3");
}

TEST(PrometheusText, EscapesHostileLabelValues) {
  Registry registry(1);
  auto group = registry.group(kDescriptor, {"a\"b\\c\nd", "bad \xff utf8 \xc3\xa9"});
  std::string text = prometheus_text(registry.read(), "tl");
  Parser parser(text);
  ASSERT_TRUE(parser.parse()) << text;
  EXPECT_EQ(parser.unescaped["route"], "a\"b\\c\nd");
  EXPECT_EQ(parser.unescaped["upstream"], "bad \xef\xbf\xbd utf8 \xc3\xa9");
  EXPECT_NE(text.find(R"(Time waited,\nwith a \\ in the help.)"), std::string::npos);
}

TEST(PrometheusText, IsEmptyWithoutFamilies) {
  EXPECT_EQ(prometheus_text({}, "tl"), "");
}

TEST(MetricPrefix, IsTheStartOfAMetricName) {
  EXPECT_TRUE(is_metric_prefix("trunkline"));
  EXPECT_TRUE(is_metric_prefix("_a9"));
  EXPECT_FALSE(is_metric_prefix(""));
  EXPECT_FALSE(is_metric_prefix("9a"));
  EXPECT_FALSE(is_metric_prefix("my-proxy"));
  EXPECT_FALSE(is_metric_prefix("gr\xc3\xbc\xc3\x9f"));
}

}  // namespace
}  // namespace trunkline::observe
