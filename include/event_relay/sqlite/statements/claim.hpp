// SPDX-License-Identifier: MIT
// The statements that claim: leases that have expired, what is ready or an orphan, and when the next event is due.
#pragma once

#include "event_relay/sql/statement.hpp"

namespace event_relay::sqlite::detail::statements {

// ---- Leases that have expired; ?1 is now ----

// An attempt that ran in isolation counts as failed. REPLACE: see `add_failure`.
inline constexpr sql::statement record_expired_attempts{"record_expired_attempts", R"sql(
  INSERT OR REPLACE INTO main.event_relay_failures
  SELECT row, failures + 1, attempt, ?1, 'lease expired'
  FROM main.event_relay_events INDEXED BY event_relay_leased
  WHERE state = :leased AND leased_until <= ?1 AND solo
)sql"};

// Of each event the last ?2 failures stay. CROSS JOIN: SQLite goes from the few expired leases to their failures, never
// the other way round.
inline constexpr sql::statement drop_older_failures_of_expired{"drop_older_failures_of_expired", R"sql(
  DELETE FROM main.event_relay_failures
  WHERE (event, number) IN (
    SELECT f.event, f.number
    FROM main.event_relay_events e INDEXED BY event_relay_leased
    CROSS JOIN main.event_relay_failures f ON f.event = e.row AND f.number <= e.failures + 1 - ?2
    WHERE e.state = :leased AND e.leased_until <= ?1 AND e.solo
  )
)sql"};

// An attempt that did not run in isolation gives its number back; an isolated one keeps it, and has crashed.
inline constexpr sql::statement make_orphans{"make_orphans", R"sql(
  UPDATE main.event_relay_events INDEXED BY event_relay_leased
  SET state = :orphan, attempt = attempt - iif(solo, 0, 1), crashed = solo, failures = failures + solo,
    leased_until = NULL
  WHERE state = :leased AND leased_until <= ?1
)sql"};

// ---- Claims ----

inline constexpr sql::statement next_token{"next_token", R"sql(
  UPDATE main.event_relay_outbox
  SET last_token = last_token + 1
  RETURNING last_token
)sql"};

// What `lease_ready` is about to lease under the token ?1, as it will be then: those due at ?2, at most ?3. They are
// read first, because RETURNING promises no order (https://sqlite.org/lang_returning.html) and is slower.
inline constexpr sql::statement select_ready{"select_ready", R"sql(
  SELECT row, ?1 AS token, id, name, payload, occurred_at, correlation_id, replayed, caused_by, traceparent, source,
    ordering_key, attempt + 1 AS attempt, crashed, failures
  FROM main.event_relay_events INDEXED BY event_relay_ready
  WHERE state = :ready AND available_at <= ?2
  ORDER BY available_at, row
  LIMIT ?3
)sql"};

// Under the token ?1, until ?2: those due at ?3, at most ?4.
inline constexpr sql::statement lease_ready{"lease_ready", R"sql(
  UPDATE main.event_relay_events
  SET state = :leased, attempt = attempt + 1, token = ?1, leased_until = ?2, solo = 0
  WHERE row IN (
    SELECT row
    FROM main.event_relay_events INDEXED BY event_relay_ready
    WHERE state = :ready AND available_at <= ?3
    ORDER BY available_at, row
    LIMIT ?4
  )
)sql"};

// The event of the row ?3, under the token ?1, until ?2.
inline constexpr sql::statement lease_event{"lease_event", R"sql(
  UPDATE main.event_relay_events
  SET state = :leased, attempt = attempt + 1, token = ?1, leased_until = ?2, solo = 0
  WHERE row = ?3
  RETURNING row, token, id, name, payload, occurred_at, correlation_id, replayed, caused_by, traceparent, source,
    ordering_key, attempt, crashed, failures
)sql"};

// The orphan that was appended first, for an isolated attempt, under the token ?1, until ?2.
inline constexpr sql::statement lease_orphan{"lease_orphan", R"sql(
  UPDATE main.event_relay_events
  SET state = :leased, attempt = attempt + 1, token = ?1, leased_until = ?2, solo = 1
  WHERE row = (
    SELECT min(row)
    FROM main.event_relay_events INDEXED BY event_relay_suspects
    WHERE state = :orphan
  )
  RETURNING row, token, id, name, payload, occurred_at, correlation_id, replayed, caused_by, traceparent, source,
    ordering_key, attempt, crashed, failures
)sql"};

// ---- What is due next ----

inline constexpr sql::statement earliest_ready{"earliest_ready", R"sql(
  SELECT min(available_at) AS earliest
  FROM main.event_relay_events INDEXED BY event_relay_ready
  WHERE state = :ready
)sql"};

inline constexpr sql::statement earliest_lease_end{"earliest_lease_end", R"sql(
  SELECT min(leased_until) AS earliest
  FROM main.event_relay_events INDEXED BY event_relay_leased
  WHERE state = :leased
)sql"};

inline constexpr sql::statement has_orphans{"has_orphans", R"sql(
  SELECT EXISTS (SELECT 1 FROM main.event_relay_events INDEXED BY event_relay_suspects WHERE state = :orphan)
)sql"};

// ---- Ready events name by name, for claims with limits ----

// The index is no part of the schema: an outbox whose workers have no such limits need not keep it up to date.
inline constexpr sql::statement create_name_index{"create_name_index", R"sql(
  CREATE INDEX IF NOT EXISTS main.event_relay_ready_by_name
  ON event_relay_events (name, available_at, row)
  WHERE state = :ready
)sql"};

inline constexpr sql::statement next_ready_name{"next_ready_name", R"sql(
  SELECT name
  FROM main.event_relay_events INDEXED BY event_relay_ready_by_name
  WHERE state = :ready AND name >= ?1
  ORDER BY name
  LIMIT 1
)sql"};

// Those of the name ?1 due at ?2, at most ?3.
inline constexpr sql::statement select_ready_of_name{"select_ready_of_name", R"sql(
  SELECT available_at, row
  FROM main.event_relay_events INDEXED BY event_relay_ready_by_name
  WHERE state = :ready AND name = ?1 AND available_at <= ?2
  ORDER BY available_at, row
  LIMIT ?3
)sql"};

inline constexpr sql::statement earliest_ready_of_name{"earliest_ready_of_name", R"sql(
  SELECT min(available_at) AS earliest
  FROM main.event_relay_events INDEXED BY event_relay_ready_by_name
  WHERE state = :ready AND name = ?1
)sql"};

}  // namespace event_relay::sqlite::detail::statements
