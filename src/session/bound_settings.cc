#include "session/bound_settings.h"

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "sql/identifier.h"
#include "wire/messages.h"

namespace trunkline::session {

std::shared_ptr<const sql::TextFacts> facts_with_bound_settings(const sql::TextFacts& facts,
                                                                std::string_view values) {
  // A code for each format comes before them. Of too few the server makes an error.
  std::optional<uint16_t> formats = ByteReader(values).read<uint16_t>();
  size_t before = sizeof(uint16_t) * (1 + size_t{formats.value_or(0)});
  if (values.size() < before) return nullptr;
  std::vector<std::string_view> parameters = wire::row_of_text(values.substr(before));
  std::vector<std::string> names;
  for (uint16_t number : facts.bound_settings()) {
    // A text is the same bytes in both formats.
    std::string_view name = number <= parameters.size() ? parameters[number - 1] : "";
    if (!sql::is_plain_setting_name(name)) return nullptr;
    names.push_back(to_lower(name));
  }
  return facts.with_settings(names);
}

}  // namespace trunkline::session
