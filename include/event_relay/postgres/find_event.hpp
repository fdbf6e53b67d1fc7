// SPDX-License-Identifier: MIT
// Events to look at, with the failures that are kept of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>

#include "event_relay/outbox/event_record.hpp"
#include "event_relay/postgres/driver/parameters.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/statements.hpp"
#include "event_relay/sql/rows.hpp"

namespace event_relay::postgres::detail {

/// By one statement, so that the event and its failures are those of one instant.
inline std::optional<stored_event> find_event(session& on, std::string_view id) {
  std::optional<stored_event> found;
  on.query(
      statements::find_event,
      [&](const row& at) {
        if (!found) {
          found = sql::stored_event_of(at);
        }
        if (!at.is_null("failed_attempt")) {
          found->failures.push_back(sql::failure_of(at));
        }
      },
      id);
  return found;
}

/// Adds the failures to each of `events`, which stand in `rows`, in the same order.
inline void read_failures(session& on, std::span<const std::int64_t> rows, std::span<stored_event> events) {
  array all = array::of_integers();
  std::map<std::int64_t, stored_event*> by_row;
  for (std::size_t each = 0; each < rows.size(); ++each) {
    all.add(rows[each]);
    by_row[rows[each]] = &events[each];
  }
  on.query(
      statements::read_failures,
      [&](const row& at) { by_row.at(at.integer("event"))->failures.push_back(sql::failure_of(at)); }, all);
}

}  // namespace event_relay::postgres::detail
