// SPDX-License-Identifier: MIT
// The statements by which an event comes into the table, an attempt's end is stored, and a key's next event becomes its
// head.
#pragma once

#include "event_relay/sql/statement.hpp"

namespace event_relay::sqlite::detail::statements {

// ---- Appending ----

inline constexpr sql::statement insert_event{"insert_event", R"sql(
  INSERT INTO main.event_relay_events (id, name, payload, occurred_at, correlation_id, replayed, caused_by, traceparent,
    source, ordering_key, available_at)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
  ON CONFLICT (id) DO NOTHING
)sql"};

// An event with a key is the head of its key, or is blocked behind those that there are. A dead letter that holds its
// key is a head.
inline constexpr sql::statement insert_keyed_event{"insert_keyed_event", R"sql(
  INSERT INTO main.event_relay_events (id, name, payload, occurred_at, correlation_id, replayed, caused_by, traceparent,
    source, ordering_key, available_at, state, heads_key)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
    iif(
      EXISTS (SELECT 1 FROM main.event_relay_events WHERE heads_key = ?10)
        OR EXISTS (
          SELECT 1
          FROM main.event_relay_events INDEXED BY event_relay_blocked
          WHERE state = :blocked AND ordering_key = ?10
        ),
      :blocked, :ready),
    iif(
      EXISTS (SELECT 1 FROM main.event_relay_events WHERE heads_key = ?10)
        OR EXISTS (
          SELECT 1
          FROM main.event_relay_events INDEXED BY event_relay_blocked
          WHERE state = :blocked AND ordering_key = ?10
        ),
      NULL, ?10))
  ON CONFLICT (id) DO NOTHING
)sql"};

// ---- Leases; ?1 and ?2 are the lease's row and token, and nothing changes if it is not the event's current one ----

inline constexpr sql::statement renew_lease{"renew_lease", R"sql(
  UPDATE main.event_relay_events
  SET leased_until = ?3
  WHERE row = ?1 AND token = ?2 AND state = :leased
)sql"};

inline constexpr sql::statement release_lease{"release_lease", R"sql(
  UPDATE main.event_relay_events
  SET state = iif(solo, :orphan, :ready), attempt = attempt - 1, leased_until = NULL
  WHERE row = ?1 AND token = ?2 AND state = :leased
  RETURNING heads_key
)sql"};

// ---- An attempt's end, under a lease as above; ?3 is the number of attempts from now on ----

inline constexpr sql::statement delete_processed{"delete_processed", R"sql(
  DELETE FROM main.event_relay_events
  WHERE row = ?1 AND token = ?2 AND state = :leased
)sql"};

inline constexpr sql::statement keep_processed{"keep_processed", R"sql(
  UPDATE main.event_relay_events
  SET state = :processed, kept_until = ?4, attempt = ?3, leased_until = NULL, heads_key = NULL
  WHERE row = ?1 AND token = ?2 AND state = :leased
)sql"};

inline constexpr sql::statement schedule_retry{"schedule_retry", R"sql(
  UPDATE main.event_relay_events
  SET state = :ready, available_at = ?4, attempt = ?3, leased_until = NULL, crashed = 0
  WHERE row = ?1 AND token = ?2 AND state = :leased
)sql"};

// Dead since ?4 for the reason ?5. ?6: whether it holds its key.
inline constexpr sql::statement make_dead_letter{"make_dead_letter", R"sql(
  UPDATE main.event_relay_events
  SET state = :dead_letter, dead_since = ?4, reason = ?5, attempt = ?3, leased_until = NULL, crashed = 0,
    heads_key = iif(?6, heads_key, NULL)
  WHERE row = ?1 AND token = ?2 AND state = :leased
)sql"};

inline constexpr sql::statement add_outcomes{"add_outcomes", R"sql(
  INSERT INTO main.event_relay_outcomes
  VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT (name) DO UPDATE
  SET processed = processed + ?2, retried = retried + ?3, dead_lettered = dead_lettered + ?4
)sql"};

// ---- Failures of the event whose row is ?1 ----

inline constexpr sql::statement count_failure{"count_failure", R"sql(
  UPDATE main.event_relay_events
  SET failures = failures + 1
  WHERE row = ?1
  RETURNING failures
)sql"};

// REPLACE: SQLite uses a row's number again, and if somebody else has deleted that row's event, its failures are still
// there.
inline constexpr sql::statement add_failure{"add_failure", R"sql(
  INSERT OR REPLACE INTO main.event_relay_failures
  VALUES (?1, ?2, ?3, ?4, ?5)
)sql"};

inline constexpr sql::statement drop_older_failures{"drop_older_failures", R"sql(
  DELETE FROM main.event_relay_failures
  WHERE event = ?1 AND number <= ?2
)sql"};

inline constexpr sql::statement drop_failures{"drop_failures", R"sql(
  DELETE FROM main.event_relay_failures
  WHERE event = ?1
)sql"};

// ---- The order of a key ----

inline constexpr sql::statement head_of_key{"head_of_key", R"sql(
  SELECT row, state = :ready AS is_ready
  FROM main.event_relay_events
  WHERE heads_key = ?1
)sql"};

inline constexpr sql::statement first_blocked_of_key{"first_blocked_of_key", R"sql(
  SELECT min(row)
  FROM main.event_relay_events INDEXED BY event_relay_blocked
  WHERE state = :blocked AND ordering_key = ?1
)sql"};

inline constexpr sql::statement block_event{"block_event", R"sql(
  UPDATE main.event_relay_events
  SET state = :blocked, heads_key = NULL
  WHERE row = ?1
)sql"};

inline constexpr sql::statement make_head{"make_head", R"sql(
  UPDATE main.event_relay_events
  SET state = :ready, heads_key = ordering_key
  WHERE row = ?1
)sql"};

}  // namespace event_relay::sqlite::detail::statements
