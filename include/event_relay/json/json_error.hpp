// SPDX-License-Identifier: MIT
// What is said of a payload that cannot be written as JSON or read from it: which member, and why, in a text
// that is short and UTF-8 whatever the payload holds.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "event_relay/core/detail/short_text.hpp"

namespace event_relay {

/// A payload that cannot be encoded or decoded; the text says which member, and why.
class json_error : public std::runtime_error {
 public:
  /// Of the text, in bytes. A parser repeats what it read, which may be all of a payload.
  static constexpr std::size_t max_size = 500;

  explicit json_error(std::string_view text) : std::runtime_error{detail::shortened(text, max_size)} {}
};

namespace detail {

// A member, and the member that it lies in; a chain on the stack, which becomes text only for a fault. No path
// at all is the payload itself.
struct json_path {
  const json_path* outer = nullptr;
  std::string_view name;
};

inline std::string text_of(const json_path& path) {
  return path.outer == nullptr ? std::string{path.name} : fmt::format("{}.{}", text_of(*path.outer), path.name);
}

// "address.city: is missing". However deep a member lies, there is room for the fault.
[[noreturn]] inline void refuse_json(const json_path* path, std::string_view fault) {
  constexpr std::size_t longest_path = json_error::max_size / 2;
  throw json_error{path == nullptr ? std::string{fault}
                                   : fmt::format("{}: {}", shortened(text_of(*path), longest_path), fault)};
}

[[noreturn]] inline void refuse_json_depth(std::size_t max_depth) {
  throw json_error{fmt::format("the payload is more than {} levels deep", max_depth)};
}

}  // namespace detail

}  // namespace event_relay
