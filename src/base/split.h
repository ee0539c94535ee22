#pragma once

#include <algorithm>
#include <string_view>

namespace trunkline {

// Each item of a list that has commas between them: `each(std::string_view)`. None of an empty
// list.
template <typename Each>
void for_each_item(std::string_view list, Each each) {
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    each(item);
    list.remove_prefix(std::min(list.size(), item.size() + 1));
  }
}

}  // namespace trunkline
