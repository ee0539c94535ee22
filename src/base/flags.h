#pragma once

#include <initializer_list>
#include <type_traits>

namespace trunkline {

// A set of the enumerators of `Enum`, each of which is a bit of its own.
template <typename Enum>
class Flags {
 public:
  using Bits = std::underlying_type_t<Enum>;

  constexpr Flags() = default;
  // A set of one, also implicitly.
  constexpr Flags(Enum one) : bits_(static_cast<Bits>(one)) {}
  constexpr Flags(std::initializer_list<Enum> some) {
    for (Enum one : some) add(one);
  }
  static constexpr Flags from_bits(Bits bits) {
    Flags flags;
    flags.bits_ = bits;
    return flags;
  }

  constexpr bool none() const { return bits_ == 0; }
  constexpr bool has(Enum one) const { return (bits_ & static_cast<Bits>(one)) != 0; }
  constexpr bool has_any_of(Flags some) const { return (bits_ & some.bits_) != 0; }
  constexpr void add(Flags more) { bits_ = static_cast<Bits>(bits_ | more.bits_); }
  constexpr void remove(Flags some) { bits_ = static_cast<Bits>(bits_ & ~some.bits_); }
  constexpr Flags without(Flags some) const {
    Flags rest = *this;
    rest.remove(some);
    return rest;
  }
  constexpr Bits bits() const { return bits_; }
  bool operator==(const Flags&) const = default;
  friend constexpr Flags operator|(Flags a, Flags b) {
    a.add(b);
    return a;
  }

 private:
  Bits bits_ = 0;
};

}  // namespace trunkline
