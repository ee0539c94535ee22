#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/statement.h"

namespace trunkline::sql {

// How characters are counted: as the server does in the positions of its errors.
enum class Characters : uint8_t { bytes, utf8 };

// Changes to a text, in its order. What the server then says of a place in the changed text can be
// said of the one that the client knows. Plain data; one thread.
class TextEdits {
 public:
  // Not before what was changed last. An empty `span` inserts.
  void replace(Span span, std::string with);
  void insert(uint64_t offset, std::string with) {
    replace({.offset = offset, .length = 0}, std::move(with));
  }

  bool empty() const { return edits_.empty(); }
  std::string apply(std::string_view text) const;
  // A character's place, from 1 as in the field P of an error, in what `apply` has made of `text`
  // and in `text` itself. nullopt: in something inserted.
  std::optional<uint64_t> place_before(uint64_t place, std::string_view text,
                                       Characters characters) const;

 private:
  struct Edit {
    Span span;
    std::string with;
  };
  std::vector<Edit> edits_;
};

}  // namespace trunkline::sql
