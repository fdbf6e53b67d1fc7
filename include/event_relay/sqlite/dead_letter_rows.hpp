// SPDX-License-Identifier: MIT
// What can be done with dead letters, as statements. Each function runs in the transaction that its caller has
// opened.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/event_rows.hpp"
#include "event_relay/sqlite/ordering.hpp"

namespace event_relay::sqlite::detail {

inline std::optional<std::int64_t> optional_integer(const std::optional<instant>& at) {
  return at ? std::optional{integer_of(*at)} : std::nullopt;
}

inline dead_letter_page read_page(connection& database, const dead_letter_filter& filter,
                                  const std::optional<dead_letter_cursor>& after, std::size_t limit) {
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const auto one_more = std::min(row_limit(limit), most - 1) + 1;
  const auto reason = filter.reason ? std::optional{wire_name(*filter.reason)} : std::nullopt;
  dead_letter_page page;
  std::vector<std::int64_t> rows;
  bool has_more = false;
  database.query(
      "SELECT " EVENT_RELAY_STORED_COLUMNS " FROM " EVENT_RELAY_DEAD
      " AND (dead_since, row) > (?1, ?2) "
      "AND dead_since >= ?3 AND dead_since < ?4 AND (?5 IS NULL OR name = ?5) "
      "AND (?6 IS NULL OR ordering_key IS nullif(?6, '')) AND (?7 IS NULL OR correlation_id = ?7) "
      "AND (?8 IS NULL OR reason = ?8) ORDER BY dead_since, row LIMIT ?9",
      [&](const row& at) {
        has_more = rows.size() == limit;
        if (!has_more) {
          rows.push_back(at.integer(0));
          page.events.push_back(stored_event_of(at));
        }
      },
      after ? integer_of(after->dead_since) : least, after ? after->row : least,
      filter.since ? integer_of(*filter.since) : least, filter.until ? integer_of(*filter.until) : most, filter.name,
      filter.ordering_key, filter.correlation_id, reason, one_more);
  for (std::size_t each = 0; each < rows.size(); ++each) {
    read_failures(database, rows[each], page.events[each].failures);
  }
  if (has_more && !rows.empty()) {
    page.next = {*page.events.back().dead_since, rows.back()};
  }
  return page;
}

// A keyed event goes back behind, and comes to the front if that is its place.
inline bool redrive(connection& database, const redrive_request& request) {
  std::string key;
  database.query(
      "UPDATE main.event_relay_events SET state = iif(ordering_key IS NULL, 0, 4), heads_key = NULL, attempt = 0, "
      "available_at = ?1, dead_since = NULL, reason = NULL WHERE id = ?2 AND state = 3 "
      "AND (?3 IS NULL OR dead_since = ?3) RETURNING ordering_key",
      [&](const row& at) { key = at.text(0); }, integer_of(request.available_at), request.id,
      optional_integer(request.dead_since));
  const bool is_redriven = database.changes() > 0;
  if (!key.empty()) {
    set_head(database, key);
  }
  return is_redriven;
}

inline bool purge(connection& database, const purge_request& request) {
  std::optional<std::int64_t> purged;
  std::string held_key;
  database.query(
      "DELETE FROM main.event_relay_events WHERE id = ?1 AND state = 3 AND (?2 IS NULL OR dead_since = ?2) "
      "RETURNING row, heads_key",
      [&](const row& at) {
        purged = at.integer(0);
        held_key = at.text(1);
      },
      request.id, optional_integer(request.dead_since));
  if (purged) {
    database.execute("DELETE FROM main.event_relay_failures WHERE event = ?", *purged);
  }
  if (!held_key.empty()) {
    set_head(database, held_key);
  }
  return purged.has_value();
}

}  // namespace event_relay::sqlite::detail
