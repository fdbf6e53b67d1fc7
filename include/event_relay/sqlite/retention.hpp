// SPDX-License-Identifier: MIT
// Processed events that are kept go away when their time is over, a few at a time. Runs in the transaction that
// its caller has opened.
#pragma once

#include <cstddef>
#include <cstdint>

#include "event_relay/core/instant.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/event_rows.hpp"

namespace event_relay::sqlite::detail {

// True if `limit` were deleted, and so there may be more.
inline bool delete_kept(connection& database, instant now, std::size_t limit) {
  const std::int64_t at = integer_of(now);
  const std::int64_t most = row_limit(limit);
  database.execute("DELETE FROM main.event_relay_failures WHERE event IN (SELECT row FROM " EVENT_RELAY_KEPT
                   " AND kept_until <= ? ORDER BY kept_until, row LIMIT ?)",
                   at, most);
  database.execute("DELETE FROM main.event_relay_events WHERE row IN (SELECT row FROM " EVENT_RELAY_KEPT
                   " AND kept_until <= ? ORDER BY kept_until, row LIMIT ?)",
                   at, most);
  return most > 0 && database.changes() == most;
}

}  // namespace event_relay::sqlite::detail
