#include "observe/prometheus.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

#include "base/text.h"

namespace trunkline::observe {

namespace {

std::string_view type_name(Type type) {
  switch (type) {
    case Type::counter:
      return "counter";
    case Type::gauge:
      return "gauge";
    case Type::histogram:
      return "histogram";
  }
  return "untyped";
}

std::string full_name(std::string_view prefix, const Descriptor& descriptor) {
  std::string name = fmt::format("{}_{}", prefix, descriptor.name);
  if (descriptor.unit == Unit::seconds) name += "_seconds";
  if (descriptor.unit == Unit::bytes) name += "_bytes";
  if (descriptor.type == Type::counter) name += "_total";
  return name;
}

// Values may come from clients; the format wants valid UTF-8 with these three escapes.
void append_escaped(std::string& out, std::string_view text, bool escape_quote) {
  while (!text.empty()) {
    size_t length = utf8_sequence(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";  // U+FFFD
      length = 1;
    } else if (text[0] == '\n') {
      out += "\\n";
    } else if (text[0] == '\\' || (escape_quote && text[0] == '"')) {
      out += '\\';
      out += text[0];
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
}

std::string label_list(const Labels& labels) {
  std::string list;
  for (const auto& [name, value] : labels) {
    if (!list.empty()) list += ',';
    list += name;
    list += "=\"";
    append_escaped(list, value, true);
    list += '"';
  }
  return list;
}

class Writer {
 public:
  explicit Writer(std::string_view prefix) : prefix_(prefix) {}

  void family(const Family& family) {
    unit_ = family.descriptor.unit;
    name_ = full_name(prefix_, family.descriptor);
    fmt::format_to(out(), "# HELP {} ", name_);
    append_escaped(text_, family.descriptor.help, false);
    fmt::format_to(out(), "\n# TYPE {} {}\n", name_, type_name(family.descriptor.type));
    for (const Sample& sample : family.samples) {
      std::string labels = label_list(*sample.labels);
      if (family.descriptor.type == Type::histogram) {
        histogram(family.descriptor.buckets, sample, labels);
      } else {
        line("", labels, number(sample.value));
      }
    }
  }

  std::string take() { return std::move(text_); }

 private:
  std::back_insert_iterator<std::string> out() { return std::back_inserter(text_); }

  void line(std::string_view suffix, std::string_view labels, std::string_view value) {
    text_ += name_;
    text_ += suffix;
    if (!labels.empty()) fmt::format_to(out(), "{{{}}}", labels);
    fmt::format_to(out(), " {}\n", value);
  }

  void histogram(const Buckets& bounds, const Sample& sample, const std::string& labels) {
    uint64_t cumulative = 0;
    for (size_t i = 0; i <= bounds.count; ++i) {
      cumulative += sample.buckets[i];
      std::string le = i == bounds.count ? "+Inf" : number(bounds.upper_bound(i));
      line("_bucket", fmt::format("{}{}le=\"{}\"", labels, labels.empty() ? "" : ",", le),
           fmt::to_string(cumulative));
    }
    line("_sum", labels, number(sample.sum));
    line("_count", labels, fmt::to_string(cumulative));
  }

  template <typename T>
  std::string number(T raw) const {
    if (unit_ != Unit::seconds) return fmt::to_string(raw);
    return fmt::format("{}", static_cast<double>(raw) / 1e9);
  }

  const std::string_view prefix_;
  std::string text_;
  std::string name_;
  Unit unit_ = Unit::none;
};

}  // namespace

bool is_metric_prefix(std::string_view prefix) {
  auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !prefix.empty() && is_letter(prefix[0]) &&
         std::ranges::all_of(prefix, [&](char c) { return is_letter(c) || is_digit(c); });
}

std::string prometheus_text(std::span<const Family> families, std::string_view prefix) {
  Writer writer(prefix);
  for (const Family& family : families) writer.family(family);
  return writer.take();
}

}  // namespace trunkline::observe
