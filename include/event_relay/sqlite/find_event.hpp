// SPDX-License-Identifier: MIT
// An event to look at, with its failures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "event_relay/outbox/event_record.hpp"
#include "event_relay/sql/rows.hpp"
#include "event_relay/sqlite/driver/row.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/statements/operate.hpp"

namespace event_relay::sqlite::detail {

/// Adds to each of `events` its failures; `rows` are the events' rows, in the same order.
inline void read_failures(session& on, std::span<const std::int64_t> rows, std::span<stored_event> events) {
  for (std::size_t each = 0; each < rows.size(); ++each) {
    on.query(
        statements::select_failures, [&](const row& at) { events[each].failures.push_back(sql::failure_of(at)); },
        rows[each]);
  }
}

inline std::optional<stored_event> find_event(session& on, std::string_view id) {
  std::optional<stored_event> found;
  std::int64_t event = 0;
  on.query(
      statements::find_event,
      [&](const row& at) {
        event = at.integer("row");
        found = sql::stored_event_of(at);
      },
      id);
  if (found) {
    read_failures(on, {&event, 1}, {&*found, 1});
  }
  return found;
}

}  // namespace event_relay::sqlite::detail
