// SPDX-License-Identifier: MIT
// What operators do with dead letters: they read them by pages, redrive them and purge them. Each function runs in the
// transaction that its caller has opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/sql/dead_letter_page.hpp"
#include "event_relay/sql/rows.hpp"
#include "event_relay/sqlite/driver/row.hpp"
#include "event_relay/sqlite/find_event.hpp"
#include "event_relay/sqlite/key_order.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/statements/operate.hpp"
#include "event_relay/sqlite/statements/settle.hpp"

namespace event_relay::sqlite::detail {

inline dead_letter_page read_dead_letters(session& on, const dead_letter_filter& filter,
                                          const std::optional<dead_letter_cursor>& after, std::size_t limit) {
  return sql::read_page(on, statements::select_dead_letters, filter, after, limit);
}

// An event with a key is blocked at first; it becomes the head if that is its place.
inline bool redrive(session& on, const redrive_request& request) {
  std::string key;
  on.query(
      statements::redrive_dead_letter, [&](const row& at) { key = at.text("ordering_key"); },
      sql::integer_of(request.available_at), request.id, sql::integer_of(request.dead_since));
  const bool is_redriven = on.changes() > 0;
  if (!key.empty()) {
    set_head(on, key);
  }
  return is_redriven;
}

/// False for each request that found no dead letter.
inline std::vector<bool> redrive_dead_letters(session& on, std::span<const redrive_request> requests) {
  std::vector<bool> redriven;
  redriven.reserve(requests.size());
  for (const redrive_request& each : requests) {
    redriven.push_back(redrive(on, each));
  }
  return redriven;
}

inline bool purge(session& on, const purge_request& request) {
  std::optional<std::int64_t> purged;
  std::string held_key;
  on.query(
      statements::purge_dead_letter,
      [&](const row& at) {
        purged = at.integer("row");
        held_key = at.text("heads_key");
      },
      request.id, sql::integer_of(request.dead_since));
  if (purged) {
    on.execute(statements::drop_failures, *purged);
  }
  if (!held_key.empty()) {
    set_head(on, held_key);
  }
  return purged.has_value();
}

/// Returns how many dead letters were deleted.
inline std::size_t purge_dead_letters(session& on, std::span<const purge_request> requests) {
  std::size_t purged = 0;
  for (const purge_request& each : requests) {
    purged += purge(on, each) ? 1 : 0;
  }
  return purged;
}

}  // namespace event_relay::sqlite::detail
