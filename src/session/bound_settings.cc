#include "session/bound_settings.h"

#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "sql/identifier.h"
#include "wire/messages.h"

namespace trunkline::session {

std::shared_ptr<const sql::TextFacts> facts_with_bound_settings(const sql::TextFacts& facts,
                                                                std::string_view values) {
  // Of too few the server makes an error.
  std::optional<wire::BindValues> bound = wire::parse_bind_values(values);
  if (!bound) return nullptr;
  std::vector<std::string_view> parameters = wire::row_of_text(bound->parameters);
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
