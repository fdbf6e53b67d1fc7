// SPDX-License-Identifier: MIT
// What the builders of options have in common: replacing one part while the others are kept, and checking a
// number of attempts.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "event_relay/core/envelope.hpp"

namespace event_relay::detail {

/// Calls `make` with all of `parts`, the one at `Which` replaced by `part`.
template <std::size_t Which, class... Parts, class Part, class Make>
auto replace_part(std::tuple<Parts...>&& parts, Part&& part, Make&& make) {
  const auto pick = [&]<std::size_t At>() -> auto&& {
    if constexpr (At == Which) {
      return std::forward<Part>(part);
    } else {
      return std::get<At>(std::move(parts));
    }
  };
  return [&]<std::size_t... At>(std::index_sequence<At...>) { return make(pick.template operator()<At>()...); }
  (std::index_sequence_for<Parts...>{});
}

inline attempt_number require_an_attempt(std::string_view options, attempt_number most) {
  if (most == 0) {
    throw std::invalid_argument(std::string{options} + ": max_attempts is 0, must be 1 or more");
  }
  return most;
}

}  // namespace event_relay::detail
