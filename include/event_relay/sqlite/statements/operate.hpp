// SPDX-License-Identifier: MIT
// The statements for operators and between the attempts: an event to look at, dead letters, maintenance, metrics, and
// the version of the tables.
#pragma once

#include "event_relay/sql/statement.hpp"

namespace event_relay::sqlite::detail::statements {

// ---- An event to look at ----

inline constexpr sql::statement find_event{"find_event", R"sql(
  SELECT row, id, name, payload, occurred_at, correlation_id, replayed, caused_by, traceparent, source, ordering_key,
    state, attempt, token, available_at, leased_until, reason, dead_since,
    state = :dead_letter AND heads_key IS NOT NULL AS holds_key, kept_until
  FROM main.event_relay_events
  WHERE id = ?1
)sql"};

inline constexpr sql::statement select_failures{"select_failures", R"sql(
  SELECT attempt AS failed_attempt, at AS failed_at, text AS failure
  FROM main.event_relay_failures
  WHERE event = ?1
  ORDER BY number
)sql"};

// ---- Dead letters ----

// The parameters are those of `sql::read_page`.
inline constexpr sql::statement select_dead_letters{"select_dead_letters", R"sql(
  SELECT row, id, name, payload, occurred_at, correlation_id, replayed, caused_by, traceparent, source, ordering_key,
    state, attempt, token, available_at, leased_until, reason, dead_since, heads_key IS NOT NULL AS holds_key,
    kept_until
  FROM main.event_relay_events INDEXED BY event_relay_dead_letters
  WHERE state = :dead_letter
    AND (dead_since, row) > (?1, ?2)
    AND dead_since >= ?3
    AND dead_since < ?4
    AND (?5 IS NULL OR name = ?5)
    AND (?6 IS NULL OR ordering_key IS nullif(?6, ''))
    AND (?7 IS NULL OR correlation_id = ?7)
    AND (?8 IS NULL OR reason = ?8)
  ORDER BY dead_since, row
  LIMIT ?9
)sql"};

// The dead letter of the id ?2, if it is dead since ?3, which may be NULL; due at ?1. With a key it is blocked at
// first.
inline constexpr sql::statement redrive_dead_letter{"redrive_dead_letter", R"sql(
  UPDATE main.event_relay_events
  SET state = iif(ordering_key IS NULL, :ready, :blocked), heads_key = NULL, attempt = 0, available_at = ?1,
    dead_since = NULL, reason = NULL
  WHERE id = ?2 AND state = :dead_letter AND (?3 IS NULL OR dead_since = ?3)
  RETURNING ordering_key
)sql"};

// The dead letter of the id ?1, if it is dead since ?2, which may be NULL.
inline constexpr sql::statement purge_dead_letter{"purge_dead_letter", R"sql(
  DELETE FROM main.event_relay_events
  WHERE id = ?1 AND state = :dead_letter AND (?2 IS NULL OR dead_since = ?2)
  RETURNING row, heads_key
)sql"};

// ---- Maintenance ----

inline constexpr sql::statement needs_maintenance{"needs_maintenance", R"sql(
  SELECT
    EXISTS (SELECT 1 FROM main.event_relay_events INDEXED BY event_relay_blocked WHERE state = :blocked)
    OR EXISTS (
      SELECT 1
      FROM main.event_relay_events INDEXED BY event_relay_kept
      WHERE state = :processed AND kept_until <= ?1
    )
)sql"};

inline constexpr sql::statement next_blocked_key{"next_blocked_key", R"sql(
  SELECT min(ordering_key) AS next_key
  FROM main.event_relay_events INDEXED BY event_relay_blocked
  WHERE state = :blocked AND ordering_key > ?1
)sql"};

// Of the events that `delete_kept` is about to delete.
inline constexpr sql::statement drop_failures_of_kept{"drop_failures_of_kept", R"sql(
  DELETE FROM main.event_relay_failures
  WHERE event IN (
    SELECT row
    FROM main.event_relay_events INDEXED BY event_relay_kept
    WHERE state = :processed AND kept_until <= ?1
    ORDER BY kept_until, row
    LIMIT ?2
  )
)sql"};

inline constexpr sql::statement delete_kept{"delete_kept", R"sql(
  DELETE FROM main.event_relay_events
  WHERE row IN (
    SELECT row
    FROM main.event_relay_events INDEXED BY event_relay_kept
    WHERE state = :processed AND kept_until <= ?1
    ORDER BY kept_until, row
    LIMIT ?2
  )
)sql"};

// ---- Metrics: each statement reads one partial index and no row; in one statement they would read every row ----

inline constexpr sql::statement count_ready{"count_ready", R"sql(
  SELECT count(*)
  FROM main.event_relay_events INDEXED BY event_relay_ready
  WHERE state = :ready AND available_at <= ?1
)sql"};

inline constexpr sql::statement count_scheduled{"count_scheduled", R"sql(
  SELECT count(*)
  FROM main.event_relay_events INDEXED BY event_relay_ready
  WHERE state = :ready AND available_at > ?1
)sql"};

inline constexpr sql::statement count_leased{"count_leased", R"sql(
  SELECT count(*) FROM main.event_relay_events INDEXED BY event_relay_leased WHERE state = :leased
)sql"};

inline constexpr sql::statement count_orphans{"count_orphans", R"sql(
  SELECT count(*) FROM main.event_relay_events INDEXED BY event_relay_suspects WHERE state = :orphan
)sql"};

inline constexpr sql::statement count_dead_letters{"count_dead_letters", R"sql(
  SELECT count(*) FROM main.event_relay_events INDEXED BY event_relay_dead_letters WHERE state = :dead_letter
)sql"};

inline constexpr sql::statement count_blocked{"count_blocked", R"sql(
  SELECT count(*) FROM main.event_relay_events INDEXED BY event_relay_blocked WHERE state = :blocked
)sql"};

inline constexpr sql::statement count_held_keys{"count_held_keys", R"sql(
  SELECT count(*)
  FROM main.event_relay_events INDEXED BY event_relay_holders
  WHERE state = :dead_letter AND heads_key IS NOT NULL
)sql"};

inline constexpr sql::statement select_outcomes{"select_outcomes", R"sql(
  SELECT name, processed, retried, dead_lettered
  FROM main.event_relay_outcomes
  ORDER BY name
)sql"};

inline constexpr sql::statement has_unfinished{"has_unfinished", R"sql(
  SELECT
    EXISTS (SELECT 1 FROM main.event_relay_events INDEXED BY event_relay_ready WHERE state = :ready)
    OR EXISTS (SELECT 1 FROM main.event_relay_events INDEXED BY event_relay_leased WHERE state = :leased)
    OR EXISTS (SELECT 1 FROM main.event_relay_events INDEXED BY event_relay_suspects WHERE state = :orphan)
)sql"};

// ---- The version of the tables ----

inline constexpr sql::statement has_name{"has_name", R"sql(
  SELECT count(*) FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE
)sql"};

inline constexpr sql::statement stored_version{"stored_version", R"sql(
  SELECT version FROM main.event_relay_outbox
)sql"};

inline constexpr sql::statement store_version{"store_version", R"sql(
  UPDATE main.event_relay_outbox SET version = ?1
)sql"};

}  // namespace event_relay::sqlite::detail::statements
