// SPDX-License-Identifier: MIT
// The id that all records of one request share. It comes from outside, so it is checked when it is made: a
// text that does not qualify never becomes a correlation id, and so never reaches a log.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "event_relay/core/uuid.hpp"

namespace event_relay {

/// 1 to 128 characters of [A-Za-z0-9._:-]. It is never empty, unless it was moved from.
class correlation_id {
 public:
  /// The HTTP header that carries it.
  static constexpr std::string_view header = "x-correlation-id";
  static constexpr std::size_t max_size = 128;

  /// The id in `text`, without the white space around it; nothing if it does not qualify.
  static std::optional<correlation_id> parse(std::string_view text) {
    constexpr std::string_view white_space = " \t\r\n\v\f";
    const std::size_t first = text.find_first_not_of(white_space);
    if (first == std::string_view::npos) {
      return std::nullopt;
    }
    text = text.substr(first, text.find_last_not_of(white_space) - first + 1);
    if (text.size() > max_size || !std::all_of(text.begin(), text.end(), is_allowed)) {
      return std::nullopt;
    }
    return correlation_id{std::string{text}};
  }

  /// The id that a caller sent, or a new one from `ids` if that does not qualify; pass "" for a header that
  /// is absent.
  template <id_source Ids = process_ids>
  static correlation_id accept_or_generate(std::string_view received, Ids&& ids = {}) {
    if (auto accepted = parse(received)) {
      return *std::move(accepted);
    }
    return generate(ids);
  }

  /// A new id. Throws std::invalid_argument if `ids` gives one that does not qualify.
  template <id_source Ids = process_ids>
  static correlation_id generate(Ids&& ids = {}) {
    if (auto generated = parse(ids.next_id())) {
      return *std::move(generated);
    }
    throw std::invalid_argument("correlation_id: the id source gave a text that is not 1 to 128 of [A-Za-z0-9._:-]");
  }

  std::string_view view() const { return text_; }
  bool operator==(const correlation_id&) const = default;

 private:
  explicit correlation_id(std::string text) : text_{std::move(text)} {}

  // A table is faster than comparisons, and every event that is read from an outbox is checked here again.
  static constexpr std::array<bool, 256> allowed = [] {
    std::array<bool, 256> made{};
    for (const char each : std::string_view{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"}) {
      made[static_cast<unsigned char>(each)] = true;
    }
    return made;
  }();
  static constexpr bool is_allowed(char character) { return allowed[static_cast<unsigned char>(character)]; }

  std::string text_;
};

}  // namespace event_relay
