// SPDX-License-Identifier: MIT
// Processed events that are kept go away when their time is over, a few at a time. Runs in the transaction that
// its caller has opened.
#pragma once

#include <cstddef>

#include "event_relay/postgres/claims.hpp"
#include "event_relay/postgres/event_rows.hpp"
#include "event_relay/postgres/session.hpp"

namespace event_relay::postgres::detail {

// True if `limit` were deleted, and so there may be more.
inline bool delete_kept(session& on, const clock_override& time, std::size_t limit) {
  const std::int64_t deleted = on.integer(
      "WITH over AS MATERIALIZED (SELECT e.row FROM {events} e WHERE e.state = 5 AND e.kept_until <= "
      "(SELECT " EVENT_RELAY_PG_TIME
      ") ORDER BY e.kept_until, e.row LIMIT $2 FOR UPDATE SKIP LOCKED), "
      "gone AS (DELETE FROM {events} e USING over WHERE e.row = over.row RETURNING e.row), "
      "forgotten AS (DELETE FROM {failures} f USING over WHERE f.event = over.row) SELECT count(*) FROM gone",
      0, time, row_limit(limit));
  return limit > 0 && deleted == row_limit(limit);
}

}  // namespace event_relay::postgres::detail
