// SPDX-License-Identifier: MIT
// Text as a template argument. With it an event carries its wire name in its type, and the compiler builds
// every name that follows from that one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

namespace event_relay {

/// A string of `Size` characters usable as a template argument: `domain_event<"booking.created", ...>`.
template <std::size_t Size>
struct fixed_string {
  char text[Size + 1]{};

  constexpr fixed_string() = default;
  // Implicit on purpose: a string literal in a template argument list becomes one.
  consteval fixed_string(const char (&literal)[Size + 1]) { std::copy_n(literal, Size, text); }

  static constexpr std::size_t size() { return Size; }
  constexpr std::string_view view() const { return {text, Size}; }
  constexpr bool operator==(const fixed_string&) const = default;
};

template <std::size_t SizeWithTerminator>
fixed_string(const char (&)[SizeWithTerminator]) -> fixed_string<SizeWithTerminator - 1>;

template <std::size_t Left, std::size_t Right>
consteval fixed_string<Left + Right> operator+(const fixed_string<Left>& left, const fixed_string<Right>& right) {
  fixed_string<Left + Right> joined;
  std::copy_n(right.text, Right, std::copy_n(left.text, Left, joined.text));
  return joined;
}

namespace detail {

// A compiler prints `fixed_string` arguments as it likes (clang 14: a list of numbers), but a pack of
// characters readably. Errors about a name are therefore raised inside `Error<'b', 'o', 'o', ...>`.
template <template <char...> class Error, fixed_string Text>
consteval auto spell() {
  return []<std::size_t... Index>(std::index_sequence<Index...>) { return Error<Text.text[Index]...>{}; }
  (std::make_index_sequence<Text.size()>{});
}

}  // namespace detail
}  // namespace event_relay
