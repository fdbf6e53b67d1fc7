// SPDX-License-Identifier: MIT
// One statement of the library as it is written down: its name, which says what it does, and its text. The text is
// plain SQL. Only what differs from one database to the next stands in it by name, in the syntax of psql's variables,
// so that a statement can be pasted there once they are set (`\set events event_relay_events`, `\set ready 0`).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "event_relay/outbox/event_record.hpp"

namespace event_relay::sql {

/// `:name` in the text stands for a state of events (`:ready`), or for what the database's own names say (`:events`);
/// `:'name'` for the same as a quoted literal.
struct statement {
  /// Unique in its database's `statements.hpp`: prepared statements are kept under it.
  std::string_view name;
  std::string_view text;
};

/// The number that rows hold for a state, by the name that statements give it; nothing for another name.
inline std::optional<std::string> state_called(std::string_view name) {
  using enum event_state;
  struct named_state {
    std::string_view name;
    event_state state;
  };
  constexpr std::array states{named_state{"ready", ready},     named_state{"leased", leased},
                              named_state{"orphan", orphan},   named_state{"dead_letter", dead_letter},
                              named_state{"blocked", blocked}, named_state{"processed", processed}};
  for (const named_state& each : states) {
    if (each.name == name) {
      return fmt::format("{}", static_cast<int>(each.state));
    }
  }
  return std::nullopt;
}

/// `text` as an SQL literal, whatever the server's standard_conforming_strings is.
inline std::string quoted_literal(std::string_view text) {
  const bool has_backslash = text.find('\\') != std::string_view::npos;
  std::string quoted{has_backslash ? "E'" : "'"};
  for (const char each : text) {
    quoted.append(each == '\'' || each == '\\' ? 2 : 1, each);
  }
  return quoted + '\'';
}

namespace detail {

// The end of what begins at `at` and is no place for a name: a quoted text or identifier, a comment, a cast. `at`
// itself where none begins there.
inline std::size_t end_of_opaque(std::string_view text, std::size_t at) {
  const auto behind = [&](std::string_view closing, std::size_t from) {
    const std::size_t found = text.find(closing, from);
    return found == std::string_view::npos ? text.size() : found + closing.size();
  };
  const std::string_view rest = text.substr(at);
  return rest.starts_with('\'') || rest.starts_with('"') ? behind(rest.substr(0, 1), at + 1)
         : rest.starts_with("--")                        ? behind("\n", at)
         : rest.starts_with("/*")                        ? behind("*/", at)
         : rest.starts_with("::")                        ? at + 2
                                                         : at;
}

inline std::string_view name_at(std::string_view text) {
  return text.substr(0, text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"));
}

}  // namespace detail

/// `text` with its names replaced: those of states, and what `stands_for(name)`, an optional text, says of the others.
/// Throws std::logic_error for a name that nobody knows.
template <class StandsFor>
std::string expanded(std::string_view text, const StandsFor& stands_for) {
  const auto meaning_of = [&](std::string_view name) {
    std::optional<std::string> meaning = state_called(name);
    meaning = meaning ? std::move(meaning) : stands_for(name);
    if (!meaning) {
      throw std::logic_error(fmt::format("event_relay: \":{}\" stands for nothing in \"{}\"", name, text));
    }
    return *std::move(meaning);
  };
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  for (std::size_t at = 0; at < text.size();) {
    const bool is_literal = text.substr(at).starts_with(":'");
    const std::string_view name = text[at] == ':' ? detail::name_at(text.substr(at + (is_literal ? 2 : 1))) : "";
    if (const std::size_t end = detail::end_of_opaque(text, at); end > at) {
      out += text.substr(at, end - at);
      at = end;
    } else if (name.empty()) {
      out += text[at++];
    } else {
      out += is_literal ? quoted_literal(meaning_of(name)) : meaning_of(name);
      at += name.size() + (is_literal ? 3 : 1);
    }
  }
  return out;
}

}  // namespace event_relay::sql
