// SPDX-License-Identifier: MIT
// Shortens texts that come from outside the library, for instance those of exceptions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "event_relay/core/json_text.hpp"

namespace event_relay::detail {

// `text` in `max_size` bytes at most, cut between two characters; what is not UTF-8 becomes U+FFFD.
inline std::string shortened(std::string_view text, std::size_t max_size) {
  constexpr std::string_view replacement = "\xef\xbf\xbd";
  constexpr std::string_view ellipsis = "\xe2\x80\xa6";
  std::string result;
  while (!text.empty()) {
    const auto [length, codepoint] = first_sequence(text);
    const std::string_view shown = codepoint == 0xfffd ? replacement : text.substr(0, length);
    if (result.size() + shown.size() + ellipsis.size() > max_size) {
      return result.append(ellipsis);
    }
    result.append(shown);
    text.remove_prefix(length);
  }
  return result;
}

}  // namespace event_relay::detail
