// SPDX-License-Identifier: MIT
// An event's position in a distributed trace, as W3C Trace Context writes it. It is checked when it is made;
// the library passes it on and interprets nothing in it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace event_relay {

/// A traceparent (W3C Trace Context, section 3.2): version, trace id, parent id and flags, in lower-case
/// hexadecimal digits joined by "-". It is never empty, unless it was moved from.
class traceparent {
 public:
  /// The HTTP header that carries it.
  static constexpr std::string_view header = "traceparent";

  /// The traceparent in `text`, or nothing if there is none: of the wrong length, with upper-case or other
  /// characters, with a trace id or a parent id of zeros, or of version ff. Of a version after 00 the
  /// standard lets only these four fields be read, and only the flag "sampled"; they are written as version
  /// 00.
  static std::optional<traceparent> parse(std::string_view text) {
    constexpr std::string_view shape = "hh-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";
    const bool is_version_0 = text.starts_with("00");
    if (text.size() < shape.size() || (text.size() > shape.size() && (is_version_0 || text[shape.size()] != '-'))) {
      return std::nullopt;
    }
    text = text.substr(0, shape.size());
    for (std::size_t at = 0; at < shape.size(); ++at) {
      if (shape[at] == 'h' ? !is_hexadecimal(text[at]) : text[at] != '-') {
        return std::nullopt;
      }
    }
    const bool is_forbidden = text.starts_with("ff") || is_zeros(text.substr(3, 32)) || is_zeros(text.substr(36, 16));
    if (is_forbidden) {
      return std::nullopt;
    }
    const bool is_sampled = std::string_view{"13579bdf"}.find(text.back()) != std::string_view::npos;
    return traceparent{is_version_0 ? std::string{text}
                                    : fmt::format("00{}0{:d}", text.substr(2, shape.size() - 4), is_sampled)};
  }

  std::string_view view() const { return text_; }
  bool operator==(const traceparent&) const = default;

 private:
  explicit traceparent(std::string text) : text_{std::move(text)} {}

  static constexpr bool is_hexadecimal(char character) {
    return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'f');
  }
  static constexpr bool is_zeros(std::string_view digits) {
    return std::all_of(digits.begin(), digits.end(), [](char digit) { return digit == '0'; });
  }

  std::string text_;
};

}  // namespace event_relay
