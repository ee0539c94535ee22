#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "route/matcher.h"

namespace trunkline::route {

// A text of the configuration with `$0` to `$9` for captures and `$$` for a dollar sign. Immutable;
// any thread.
class Rewrite {
 public:
  // The error says what is wrong with a `$`.
  static std::expected<Rewrite, std::string> compile(std::string_view text);

  std::string expand(const Captures& captures) const;
  const std::vector<size_t>& captures_used() const { return used_; }
  const std::string& text() const { return text_; }  // as in the file

 private:
  struct Piece {
    std::string literal;
    size_t capture;  // follows the literal; kCapturesMax for none
  };

  std::string text_;
  std::vector<Piece> pieces_;
  std::vector<size_t> used_;
};

// What a client's name may become a part of a host with: one DNS label, so that it can name
// neither another domain nor a path.
bool usable_in_host(std::string_view capture);

// A host made from captures: at most 253 bytes, and either an address in its strict form or a name
// that no resolver would read as a number (2130706433 is 127.0.0.1 to getaddrinfo).
bool usable_as_host(std::string_view host);

}  // namespace trunkline::route
