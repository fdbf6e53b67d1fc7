// SPDX-License-Identifier: MIT
// Every statement of the outbox in PostgreSQL, each once and as plain SQL. What `:name` stands for is in
// sql/statement.hpp and outbox_names.hpp; set so as psql's variables, a statement can be pasted there.
//
// An event **holds the lock of its key** while it is leased or an orphan, or is a dead letter that was told to hold it.
// An event **waits** for its key while it is ready or blocked. The statements say both as the partial indexes do, with
// `IS NOT NULL` where the comparison implies it already, so that the planner can see that the index will do.
//
// The time of a statement is its clock's `now`: a test's clock, if the parameter is not NULL, or else the server's, in
// milliseconds since 1970. An instant that is computed is held between the least and the greatest one
// (core/instant.hpp).
//
// Functions are called by their schema, and operators have operands of types for which pg_catalog has an operator, so
// that a host's search_path cannot lead to others.
#pragma once

#include <array>

#include "event_relay/sql/statement.hpp"

namespace event_relay::postgres::detail::statements {

// ---- The tables ----

/// Whether the schema $1 has a table or view of the name $2.
inline constexpr sql::statement find_table{"find_table", R"sql(
SELECT 1 AS found
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1::name
  AND c.relname = $2::name
)sql"};

/// The version of the tables that are there.
inline constexpr sql::statement read_version{"read_version", R"sql(
SELECT version
FROM :outbox
)sql"};

/// After a migration: the tables have the version $1.
inline constexpr sql::statement store_version{"store_version", R"sql(
UPDATE :outbox
SET version = $1::integer
)sql"};

/// Lets nobody else migrate the outbox that $1 names until the transaction ends.
inline constexpr sql::statement lock_migration{"lock_migration", R"sql(
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1::text, 0::bigint)) AS locked
)sql"};

/// The first schema of the search_path that is there, for an outbox that is told of no schema.
inline constexpr sql::statement read_search_path{"read_search_path", R"sql(
SELECT pg_catalog.current_schema() AS schema
)sql"};

/// Which outbox this is, and the time of a new store. $1: a test's time.
inline constexpr sql::statement read_outbox{"read_outbox", R"sql(
SELECT id::text AS id, (
  SELECT coalesce(
    $1::bigint,
    pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint
  )
) AS now
FROM :outbox
)sql"};

// ---- On the host's connection ----

/// Whether the connection finds the table of the name $1. It does not fail where there is none, which would fail the
/// host's transaction.
inline constexpr sql::statement find_outbox_table{"find_outbox_table", R"sql(
SELECT pg_catalog.to_regclass($1::text)::text AS found
)sql"};

/// Which outbox the connection finds.
inline constexpr sql::statement read_outbox_id{"read_outbox_id", R"sql(
SELECT id::text AS id
FROM :outbox
)sql"};

/// Appends events in the order of the arrays; one whose id is there already, or came before it in the arrays, is left
/// out. $1: a test's time. $2 to $12: a column each, of as many elements as there are events. The ids of those that
/// were inserted come back.
inline constexpr sql::statement insert_events{"insert_events", R"sql(
INSERT INTO :events (
  id, name, payload, occurred_at, correlation_id, replayed, caused_by, traceparent, source, ordering_key, available_at
)
SELECT n.id, n.name, n.payload, n.occurred_at, n.correlation_id, n.replayed <> 0, n.caused_by, n.traceparent, n.source,
       n.ordering_key, coalesce(n.available_at, (
         SELECT coalesce(
           $1::bigint,
           pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint
         )
       ))
FROM ROWS FROM (
  pg_catalog.unnest($2::text[]),
  pg_catalog.unnest($3::text[]),
  pg_catalog.unnest($4::text[]),
  pg_catalog.unnest($5::bigint[]),
  pg_catalog.unnest($6::text[]),
  pg_catalog.unnest($7::bigint[]),
  pg_catalog.unnest($8::text[]),
  pg_catalog.unnest($9::text[]),
  pg_catalog.unnest($10::text[]),
  pg_catalog.unnest($11::text[]),
  pg_catalog.unnest($12::bigint[])
) AS n(
  id, name, payload, occurred_at, correlation_id, replayed, caused_by, traceparent, source, ordering_key, available_at
)
ON CONFLICT (id) DO NOTHING
RETURNING id
)sql"};

/// The same for events without the columns that most events do not need: five arrays in place of eleven.
inline constexpr sql::statement insert_plain_events{"insert_plain_events", R"sql(
INSERT INTO :events (id, name, payload, occurred_at, correlation_id, replayed, available_at)
SELECT n.id, n.name, n.payload, n.occurred_at, n.correlation_id, false, (
  SELECT coalesce(
    $1::bigint,
    pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint
  )
)
FROM ROWS FROM (
  pg_catalog.unnest($2::text[]),
  pg_catalog.unnest($3::text[]),
  pg_catalog.unnest($4::text[]),
  pg_catalog.unnest($5::bigint[]),
  pg_catalog.unnest($6::text[])
) AS n(id, name, payload, occurred_at, correlation_id)
ON CONFLICT (id) DO NOTHING
RETURNING id
)sql"};

// ---- Claims ----

/// Leases that have expired make orphans. An attempt that ran beside others gives its number back; an isolated one
/// counts as failed, and of its event's failures the last $3 are kept. $1: a test's time. $2: no lease that ended
/// before this instant is left, so that the scan of the index begins here. The answer: whether there are orphans now.
inline constexpr sql::statement expire_leases{"expire_leases", R"sql(
WITH clock AS MATERIALIZED (
  SELECT coalesce(
    $1::bigint,
    pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint
  ) AS now
),
expired AS MATERIALIZED (
  SELECT e.row
  FROM :events e
  WHERE e.state = :leased
    AND e.leased_until >= $2::bigint
    AND e.leased_until <= (SELECT now FROM clock)
  ORDER BY e.leased_until
  FOR UPDATE SKIP LOCKED
),
orphaned AS (
  UPDATE :events e
  SET state = :orphan,
      attempt = e.attempt - CASE WHEN e.solo THEN 0 ELSE 1 END,
      crashed = e.solo,
      failures = e.failures + CASE WHEN e.solo THEN 1 ELSE 0 END,
      leased_until = NULL
  FROM expired
  WHERE e.row = expired.row
  RETURNING e.row, e.solo, e.failures, e.attempt
),
trimmed AS (
  DELETE FROM :failures f
  USING orphaned
  WHERE f.event = orphaned.row
    AND orphaned.solo
    AND f.number <= (orphaned.failures - $3::bigint)
),
noted AS (
  INSERT INTO :failures (event, number, attempt, at, text)
  SELECT orphaned.row, orphaned.failures, orphaned.attempt, (SELECT now FROM clock), 'lease expired'
  FROM orphaned
  WHERE orphaned.solo
    AND $3::bigint > 0
)
SELECT (SELECT pg_catalog.count(*) FROM orphaned) > 0 OR EXISTS (
  SELECT 1
  FROM :events e
  WHERE e.state = :orphan
) AS has_orphans
)sql"};

/// Leases up to $4 events that are ready, the oldest first, for $2 milliseconds. $1: a test's time. $3: where in the
/// index the scan begins. Each row bears the server's time, and there is one at least. An event that turns out to be
/// behind another of its key is not leased: its row says only the key, so that the key's events can be blocked.
inline constexpr sql::statement claim_ready{"claim_ready", R"sql(
WITH clock AS MATERIALIZED (
  SELECT coalesce(
    $1::bigint,
    pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint
  ) AS now
),
due AS MATERIALIZED (
  SELECT e.row, e.ordering_key
  FROM :events e
  WHERE e.state = :ready
    AND e.available_at >= $3::bigint
    AND e.available_at <= (SELECT now FROM clock)
  ORDER BY e.available_at, e.row
  LIMIT $4::bigint
  FOR UPDATE SKIP LOCKED
),
placed AS MATERIALIZED (
  SELECT due.row, due.ordering_key, due.ordering_key IS NOT NULL AND (
    EXISTS (
      SELECT 1
      FROM :events owner
      WHERE owner.ordering_key = due.ordering_key
        AND owner.ordering_key IS NOT NULL
        AND (owner.state = ANY (ARRAY[:leased, :orphan]) OR owner.holds_key)
    )
    OR EXISTS (
      SELECT 1
      FROM :events earlier
      WHERE earlier.ordering_key = due.ordering_key
        AND earlier.row < due.row
        AND earlier.ordering_key IS NOT NULL
        AND earlier.state = ANY (ARRAY[:ready, :blocked])
    )
  ) AS is_behind
  FROM due
),
claimed AS (
  UPDATE :events e
  SET state = :leased,
      attempt = e.attempt + 1,
      token = (SELECT pg_catalog.nextval(:'tokens'::regclass)),
      leased_until = greatest(least((SELECT now FROM clock) + $2::bigint, 8640000000000000), -8640000000000000),
      solo = false
  FROM placed
  WHERE e.row = placed.row
    AND NOT placed.is_behind
  RETURNING e.available_at, e.row, e.token, e.id, e.name, e.payload, e.occurred_at, e.correlation_id, e.replayed,
            e.caused_by, e.traceparent, e.source, e.ordering_key, e.attempt, e.crashed, e.failures
)
SELECT clock.now, found.*
FROM clock
LEFT JOIN (
  SELECT claimed.*
  FROM claimed
  UNION ALL
  SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
         NULL, NULL, NULL, placed.ordering_key, NULL, NULL, NULL
  FROM placed
  WHERE placed.is_behind
) found ON true
)sql"};

/// The same for a worker that limits how many events of a name it claims: up to $5 events, and of the name in $3 at
/// most as many as stand at its place in $4. The names of ready events are taken from the index one after the other, so
/// that the events of a name whose limit is used up are passed over, however many they are.
inline constexpr sql::statement claim_within_limits{"claim_within_limits", R"sql(
WITH RECURSIVE clock AS MATERIALIZED (
  SELECT coalesce(
    $1::bigint,
    pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint
  ) AS now
),
names AS (
  (
    SELECT e.name
    FROM :events e
    WHERE e.state = :ready
    ORDER BY e.name
    LIMIT 1
  )
  UNION ALL
  SELECT (
    SELECT e.name
    FROM :events e
    WHERE e.state = :ready
      AND e.name > names.name
    ORDER BY e.name
    LIMIT 1
  )
  FROM names
  WHERE names.name IS NOT NULL
),
due AS MATERIALIZED (
  SELECT found.row, found.ordering_key
  FROM names
  LEFT JOIN ROWS FROM (
    pg_catalog.unnest($3::text[]),
    pg_catalog.unnest($4::bigint[])
  ) AS limits(name, most) ON limits.name = names.name
  CROSS JOIN LATERAL (
    SELECT e.row, e.ordering_key, e.available_at
    FROM :events e
    WHERE e.state = :ready
      AND e.name = names.name
      AND e.available_at <= (SELECT now FROM clock)
    ORDER BY e.available_at, e.row
    LIMIT coalesce(limits.most, $5::bigint)
    FOR UPDATE SKIP LOCKED
  ) found
  ORDER BY found.available_at, found.row
  LIMIT $5::bigint
),
placed AS MATERIALIZED (
  SELECT due.row, due.ordering_key, due.ordering_key IS NOT NULL AND (
    EXISTS (
      SELECT 1
      FROM :events owner
      WHERE owner.ordering_key = due.ordering_key
        AND owner.ordering_key IS NOT NULL
        AND (owner.state = ANY (ARRAY[:leased, :orphan]) OR owner.holds_key)
    )
    OR EXISTS (
      SELECT 1
      FROM :events earlier
      WHERE earlier.ordering_key = due.ordering_key
        AND earlier.row < due.row
        AND earlier.ordering_key IS NOT NULL
        AND earlier.state = ANY (ARRAY[:ready, :blocked])
    )
  ) AS is_behind
  FROM due
),
claimed AS (
  UPDATE :events e
  SET state = :leased,
      attempt = e.attempt + 1,
      token = (SELECT pg_catalog.nextval(:'tokens'::regclass)),
      leased_until = greatest(least((SELECT now FROM clock) + $2::bigint, 8640000000000000), -8640000000000000),
      solo = false
  FROM placed
  WHERE e.row = placed.row
    AND NOT placed.is_behind
  RETURNING e.available_at, e.row, e.token, e.id, e.name, e.payload, e.occurred_at, e.correlation_id, e.replayed,
            e.caused_by, e.traceparent, e.source, e.ordering_key, e.attempt, e.crashed, e.failures
)
SELECT clock.now, found.*
FROM clock
LEFT JOIN (
  SELECT claimed.*
  FROM claimed
  UNION ALL
  SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
         NULL, NULL, NULL, placed.ordering_key, NULL, NULL, NULL
  FROM placed
  WHERE placed.is_behind
) found ON true
)sql"};

/// Leases the first orphan for $2 milliseconds, to be attempted in isolation. $1: a test's time. It is not behind
/// another event of its key, as it holds the key's lock itself. Each row bears the server's time, and there is one at
/// least.
inline constexpr sql::statement claim_orphan{"claim_orphan", R"sql(
WITH clock AS MATERIALIZED (
  SELECT coalesce(
    $1::bigint,
    pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint
  ) AS now
),
due AS MATERIALIZED (
  SELECT e.row
  FROM :events e
  WHERE e.state = :orphan
  ORDER BY e.row
  LIMIT 1
  FOR UPDATE SKIP LOCKED
),
claimed AS (
  UPDATE :events e
  SET state = :leased,
      attempt = e.attempt + 1,
      token = (SELECT pg_catalog.nextval(:'tokens'::regclass)),
      leased_until = greatest(least((SELECT now FROM clock) + $2::bigint, 8640000000000000), -8640000000000000),
      solo = true
  FROM due
  WHERE e.row = due.row
  RETURNING e.available_at, e.row, e.token, e.id, e.name, e.payload, e.occurred_at, e.correlation_id, e.replayed,
            e.caused_by, e.traceparent, e.source, e.ordering_key, e.attempt, e.crashed, e.failures
)
SELECT clock.now, claimed.*
FROM clock
LEFT JOIN claimed ON true
)sql"};

/// When the next event becomes ready and the next lease ends, and whether orphans wait. $1 and $2: where in their
/// indexes the scans begin. $3: false where the worker has limits, for which `scan_next_due_within_limits` knows the
/// events.
inline constexpr sql::statement scan_next_due{"scan_next_due", R"sql(
SELECT (
  SELECT pg_catalog.min(e.available_at)
  FROM :events e
  WHERE e.state = :ready
    AND e.available_at >= $1::bigint
    AND $3::boolean
) AS ready_at, (
  SELECT pg_catalog.min(e.leased_until)
  FROM :events e
  WHERE e.state = :leased
    AND e.leased_until >= $2::bigint
) AS lease_end, EXISTS (
  SELECT 1
  FROM :events e
  WHERE e.state = :orphan
) AS has_orphans
)sql"};

/// When the next event becomes ready of those names whose limits are not used up. $1: the names that have limits. $2:
/// what is left of each.
inline constexpr sql::statement scan_next_due_within_limits{"scan_next_due_within_limits", R"sql(
WITH RECURSIVE names AS (
  (
    SELECT e.name
    FROM :events e
    WHERE e.state = :ready
    ORDER BY e.name
    LIMIT 1
  )
  UNION ALL
  SELECT (
    SELECT e.name
    FROM :events e
    WHERE e.state = :ready
      AND e.name > names.name
    ORDER BY e.name
    LIMIT 1
  )
  FROM names
  WHERE names.name IS NOT NULL
)
SELECT pg_catalog.min((
  SELECT pg_catalog.min(e.available_at)
  FROM :events e
  WHERE e.state = :ready
    AND e.name = names.name
)) AS ready_at
FROM names
LEFT JOIN ROWS FROM (
  pg_catalog.unnest($1::text[]),
  pg_catalog.unnest($2::bigint[])
) AS limits(name, most) ON limits.name = names.name
WHERE coalesce(limits.most, 1) > 0
)sql"};

/// Whether anything is ready, scheduled, leased or an orphan.
inline constexpr sql::statement has_unfinished{"has_unfinished", R"sql(
SELECT EXISTS (
  SELECT 1
  FROM :events e
  WHERE e.state = :ready
) OR EXISTS (
  SELECT 1
  FROM :events e
  WHERE e.state = :leased
) OR EXISTS (
  SELECT 1
  FROM :events e
  WHERE e.state = :orphan
) AS has_unfinished
)sql"};

// ---- The order of a key ----

/// Blocks up to $2 ready events of each of the keys $1 that wait behind another event of their key: the one that holds
/// the key's lock, or else the first of those that wait. It does so only under a share lock on that event, which is
/// passed over where it is being changed at this moment.
inline constexpr sql::statement block_behind{"block_behind", R"sql(
WITH ahead AS MATERIALIZED (
  SELECT k.key, coalesce((
    SELECT owner.row
    FROM :events owner
    WHERE owner.ordering_key = k.key
      AND owner.ordering_key IS NOT NULL
      AND (owner.state = ANY (ARRAY[:leased, :orphan]) OR owner.holds_key)
    LIMIT 1
  ), (
    SELECT waiting.row
    FROM :events waiting
    WHERE waiting.ordering_key = k.key
      AND waiting.ordering_key IS NOT NULL
      AND waiting.state = ANY (ARRAY[:ready, :blocked])
    ORDER BY waiting.row
    LIMIT 1
  )) AS row
  FROM pg_catalog.unnest($1::text[]) AS k(key)
),
kept AS MATERIALIZED (
  SELECT a.row, a.ordering_key AS key
  FROM :events a
  WHERE a.row = ANY (SELECT ahead.row FROM ahead)
    AND (a.state = ANY (ARRAY[:ready, :leased, :orphan, :blocked]) OR a.holds_key)
  FOR SHARE OF a SKIP LOCKED
),
behind AS MATERIALIZED (
  SELECT found.row
  FROM kept
  CROSS JOIN LATERAL (
    SELECT waiting.row
    FROM :events waiting
    WHERE waiting.ordering_key = kept.key
      AND waiting.row <> kept.row
      AND waiting.ordering_key IS NOT NULL
      AND waiting.state = ANY (ARRAY[:ready, :blocked])
      AND waiting.state = :ready
    ORDER BY waiting.row
    LIMIT $2::bigint
    FOR UPDATE SKIP LOCKED
  ) found
)
UPDATE :events e
SET state = :blocked
FROM behind
WHERE e.row = behind.row
)sql"};

/// Makes the first event of each of the keys $1 ready, if it is blocked and no other event holds the key's lock.
inline constexpr sql::statement free_keys{"free_keys", R"sql(
UPDATE :events e
SET state = :ready
FROM (
  SELECT (
    SELECT waiting.row
    FROM :events waiting
    WHERE waiting.ordering_key = k.key
      AND waiting.ordering_key IS NOT NULL
      AND waiting.state = ANY (ARRAY[:ready, :blocked])
    ORDER BY waiting.row
    LIMIT 1
  ) AS row
  FROM pg_catalog.unnest($1::text[]) AS k(key)
  WHERE NOT EXISTS (
    SELECT 1
    FROM :events owner
    WHERE owner.ordering_key = k.key
      AND owner.ordering_key IS NOT NULL
      AND (owner.state = ANY (ARRAY[:leased, :orphan]) OR owner.holds_key)
  )
  ORDER BY 1
) first
WHERE e.row = first.row
  AND e.state = :blocked
)sql"};

/// The first $2 keys behind $1 that have blocked events, from one to the next by their index.
inline constexpr sql::statement read_blocked_keys{"read_blocked_keys", R"sql(
WITH RECURSIVE keys AS (
  (
    SELECT e.ordering_key AS key
    FROM :events e
    WHERE e.state = :blocked
      AND e.ordering_key > $1::text
    ORDER BY e.ordering_key
    LIMIT 1
  )
  UNION ALL
  SELECT (
    SELECT e.ordering_key
    FROM :events e
    WHERE e.state = :blocked
      AND e.ordering_key > keys.key
    ORDER BY e.ordering_key
    LIMIT 1
  )
  FROM keys
  WHERE keys.key IS NOT NULL
)
SELECT keys.key
FROM keys
WHERE keys.key IS NOT NULL
LIMIT $2::bigint
)sql"};

// ---- Leases ----

/// Leases hold for $4 milliseconds from now. $1: a test's time. $2 and $3: the rows and tokens. Those that are still
/// held come back.
inline constexpr sql::statement renew_leases{"renew_leases", R"sql(
UPDATE :events e
SET leased_until = greatest(least((
        SELECT coalesce(
          $1::bigint,
          pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint
        )
      ) + $4::bigint, 8640000000000000), -8640000000000000)
FROM ROWS FROM (
  pg_catalog.unnest($2::bigint[]),
  pg_catalog.unnest($3::bigint[])
) AS held(row, token)
WHERE e.row = held.row
  AND e.token = held.token
  AND e.state = :leased
RETURNING e.row, e.token
)sql"};

/// Undoes claims, of the rows $1 under the tokens $2. The keys of those that were still held come back.
inline constexpr sql::statement release_leases{"release_leases", R"sql(
UPDATE :events e
SET state = CASE WHEN e.solo THEN :orphan ELSE :ready END,
    attempt = e.attempt - 1,
    leased_until = NULL
FROM ROWS FROM (
  pg_catalog.unnest($1::bigint[]),
  pg_catalog.unnest($2::bigint[])
) AS held(row, token)
WHERE e.row = held.row
  AND e.token = held.token
  AND e.state = :leased
RETURNING e.ordering_key
)sql"};

// ---- Settlements ----

/// Processed events of a store that does not keep them. $1: the place of each settlement in its batch; $2 and $3: the
/// rows and tokens; $4: whether the ids are needed. The places of those that were still held come back.
inline constexpr sql::statement delete_processed{"delete_processed", R"sql(
DELETE FROM :events e
USING ROWS FROM (
  pg_catalog.unnest($1::bigint[]),
  pg_catalog.unnest($2::bigint[]),
  pg_catalog.unnest($3::bigint[])
) AS settled(place, row, token)
WHERE e.row = settled.row
  AND e.token = settled.token
  AND e.state = :leased
RETURNING settled.place, CASE WHEN $4::boolean THEN e.id END AS id
)sql"};

/// Processed events of a store that keeps them for $6 milliseconds. $1: a test's time. $2: the place of each settlement
/// in its batch; $3 to $5: the rows, tokens and attempts. The places of those that were still held come back.
inline constexpr sql::statement keep_processed{"keep_processed", R"sql(
UPDATE :events e
SET state = :processed,
    kept_until = greatest(least((
      SELECT coalesce(
        $1::bigint,
        pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint
      )
    ) + $6::bigint, 8640000000000000), -8640000000000000),
    attempt = settled.attempt,
    leased_until = NULL
FROM ROWS FROM (
  pg_catalog.unnest($2::bigint[]),
  pg_catalog.unnest($3::bigint[]),
  pg_catalog.unnest($4::bigint[]),
  pg_catalog.unnest($5::bigint[])
) AS settled(place, row, token, attempt)
WHERE e.row = settled.row
  AND e.token = settled.token
  AND e.state = :leased
RETURNING settled.place
)sql"};

/// Retries and dead letters, with the last $10 failures of each. $1: a test's time. $2: the place of each settlement in
/// its batch; $3 to $5: the rows, tokens and attempts; $6: the delays of retries, NULL for dead letters; $7 and $8: the
/// reasons of dead letters, and whether they hold their keys; $9: the failures' texts, NULL where none is to be noted.
/// The places of those that were still held come back.
inline constexpr sql::statement settle_failed{"settle_failed", R"sql(
WITH clock AS MATERIALIZED (
  SELECT coalesce(
    $1::bigint,
    pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint
  ) AS now
),
settled AS (
  UPDATE :events e
  SET state = CASE WHEN s.delay IS NULL THEN :dead_letter ELSE :ready END,
      attempt = s.attempt,
      leased_until = NULL,
      crashed = false,
      failures = e.failures + CASE WHEN s.failure IS NULL THEN 0 ELSE 1 END,
      available_at = CASE
        WHEN s.delay IS NULL THEN e.available_at
        ELSE greatest(least((SELECT now FROM clock) + s.delay, 8640000000000000), -8640000000000000)
      END,
      dead_since = CASE WHEN s.delay IS NULL THEN (SELECT now FROM clock) END,
      reason = s.reason,
      holds_key = (s.holds <> 0) AND e.ordering_key IS NOT NULL
  FROM ROWS FROM (
    pg_catalog.unnest($2::bigint[]),
    pg_catalog.unnest($3::bigint[]),
    pg_catalog.unnest($4::bigint[]),
    pg_catalog.unnest($5::bigint[]),
    pg_catalog.unnest($6::bigint[]),
    pg_catalog.unnest($7::text[]),
    pg_catalog.unnest($8::bigint[]),
    pg_catalog.unnest($9::text[])
  ) AS s(place, row, token, attempt, delay, reason, holds, failure)
  WHERE e.row = s.row
    AND e.token = s.token
    AND e.state = :leased
  RETURNING s.place, e.row, e.failures, s.attempt, s.failure
),
noted AS (
  INSERT INTO :failures (event, number, attempt, at, text)
  SELECT settled.row, settled.failures, settled.attempt, (SELECT now FROM clock), settled.failure
  FROM settled
  WHERE settled.failure IS NOT NULL
    AND $10::bigint > 0
),
trimmed AS (
  DELETE FROM :failures f
  USING settled
  WHERE f.event = settled.row
    AND f.number <= (settled.failures - $10::bigint)
)
SELECT settled.place
FROM settled
)sql"};

/// The histories of the events in the rows $1, which have ended.
inline constexpr sql::statement delete_failures{"delete_failures", R"sql(
DELETE FROM :failures
WHERE event = ANY ($1::bigint[])
)sql"};

/// Adds up by name what was settled: $1 the names, $2 to $4 how many were processed, retried and dead-lettered. Each
/// connection adds to one of $5 parts, so that the workers do not wait for each other's commits. The transaction's
/// number comes back, NULL if it has changed nothing.
inline constexpr sql::statement count_outcomes{"count_outcomes", R"sql(
WITH counted AS (
  INSERT INTO :outcomes AS o (name, part, processed, retried, dead_lettered)
  SELECT n.name, pg_catalog.pg_backend_pid() % $5::integer, n.processed, n.retried, n.dead_lettered
  FROM ROWS FROM (
    pg_catalog.unnest($1::text[]),
    pg_catalog.unnest($2::bigint[]),
    pg_catalog.unnest($3::bigint[]),
    pg_catalog.unnest($4::bigint[])
  ) AS n(name, processed, retried, dead_lettered)
  ON CONFLICT (name, part) DO UPDATE
  SET processed = o.processed + excluded.processed,
      retried = o.retried + excluded.retried,
      dead_lettered = o.dead_lettered + excluded.dead_lettered
  RETURNING o.name
)
SELECT pg_catalog.pg_current_xact_id_if_assigned() AS transaction_number
)sql"};

/// What became of the transaction of the number $1.
inline constexpr sql::statement read_commit_status{"read_commit_status", R"sql(
SELECT pg_catalog.pg_xact_status($1::xid8) AS status
)sql"};

// ---- To look at events ----

/// The event of the id $1, in a row for each of its failures, oldest first, or one row without any. What a claim would
/// find behind another event of its key is shown as blocked.
inline constexpr sql::statement find_event{"find_event", R"sql(
SELECT e.id, e.name, e.payload, e.occurred_at, e.correlation_id, e.replayed, e.caused_by, e.traceparent, e.source,
       e.ordering_key,
       CASE
         WHEN e.state = :ready AND e.ordering_key IS NOT NULL AND (
           EXISTS (
             SELECT 1
             FROM :events owner
             WHERE owner.ordering_key = e.ordering_key
               AND owner.ordering_key IS NOT NULL
               AND (owner.state = ANY (ARRAY[:leased, :orphan]) OR owner.holds_key)
           )
           OR EXISTS (
             SELECT 1
             FROM :events earlier
             WHERE earlier.ordering_key = e.ordering_key
               AND earlier.row < e.row
               AND earlier.ordering_key IS NOT NULL
               AND earlier.state = ANY (ARRAY[:ready, :blocked])
           )
         ) THEN :blocked
         ELSE e.state
       END AS state,
       e.attempt, e.token, e.available_at, e.leased_until, e.reason, e.dead_since, e.holds_key, e.kept_until,
       f.attempt AS failed_attempt, f.at AS failed_at, f.text AS failure
FROM :events e
LEFT JOIN :failures f ON f.event = e.row
WHERE e.id = $1::text
ORDER BY f.number
)sql"};

/// The failures of the events in the rows $1, of each the oldest first.
inline constexpr sql::statement read_failures{"read_failures", R"sql(
SELECT f.event, f.attempt AS failed_attempt, f.at AS failed_at, f.text AS failure
FROM :failures f
WHERE f.event = ANY ($1::bigint[])
ORDER BY f.event, f.number
)sql"};

// ---- Dead letters ----

/// Up to $9 dead letters in the order of their death, those behind the instant $1 and the row $2. Dead since $3 or
/// later and before $4; of the name $5, the key $6 (empty: without a key), the correlation id $7 and the reason $8,
/// where those are not NULL.
inline constexpr sql::statement read_dead_letters{"read_dead_letters", R"sql(
SELECT e.row, e.id, e.name, e.payload, e.occurred_at, e.correlation_id, e.replayed, e.caused_by, e.traceparent,
       e.source, e.ordering_key, e.state, e.attempt, e.token, e.available_at, e.leased_until, e.reason, e.dead_since,
       e.holds_key, e.kept_until
FROM :events e
WHERE e.state = :dead_letter
  AND (e.dead_since, e.row) > ($1::bigint, $2::bigint)
  AND e.dead_since >= $3::bigint
  AND e.dead_since < $4::bigint
  AND ($5::text IS NULL OR e.name = $5::text)
  AND ($6::text IS NULL OR coalesce(e.ordering_key, '') = $6::text)
  AND ($7::text IS NULL OR e.correlation_id = $7::text)
  AND ($8::text IS NULL OR e.reason = $8::text)
ORDER BY e.dead_since, e.row
LIMIT $9::bigint
)sql"};

/// Makes the dead letters of the ids $1 ready at the instants $2; where $3 has an instant, only if they are dead since
/// then. Those that were found come back. A keyed event takes its place in its key again by its row.
inline constexpr sql::statement redrive_dead_letters{"redrive_dead_letters", R"sql(
UPDATE :events e
SET state = :ready,
    holds_key = false,
    attempt = 0,
    available_at = asked.available_at,
    dead_since = NULL,
    reason = NULL
FROM ROWS FROM (
  pg_catalog.unnest($1::text[]),
  pg_catalog.unnest($2::bigint[]),
  pg_catalog.unnest($3::bigint[])
) AS asked(id, available_at, dead_since)
WHERE e.id = asked.id
  AND e.state = :dead_letter
  AND (asked.dead_since IS NULL OR e.dead_since = asked.dead_since)
RETURNING e.id, e.ordering_key
)sql"};

/// Deletes the dead letters of the ids $1; where $2 has an instant, only if they are dead since then. Those that were
/// found come back.
inline constexpr sql::statement purge_dead_letters{"purge_dead_letters", R"sql(
DELETE FROM :events e
USING ROWS FROM (
  pg_catalog.unnest($1::text[]),
  pg_catalog.unnest($2::bigint[])
) AS asked(id, dead_since)
WHERE e.id = asked.id
  AND e.state = :dead_letter
  AND (asked.dead_since IS NULL OR e.dead_since = asked.dead_since)
RETURNING e.row, e.ordering_key
)sql"};

// ---- Metrics and maintenance ----

/// How many events are in each state, counted in the partial indexes. $1: a test's time. Of the events that no claim
/// has looked at, those behind others of their key count as blocked, as a claim would find them: of each key whose lock
/// nobody holds the first event is ready, and no other.
inline constexpr sql::statement read_counts{"read_counts", R"sql(
WITH clock AS MATERIALIZED (
  SELECT coalesce(
    $1::bigint,
    pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint
  ) AS now
),
plain AS MATERIALIZED (
  SELECT pg_catalog.count(*) FILTER (WHERE e.available_at <= (SELECT now FROM clock)) AS due,
         pg_catalog.count(*) AS waiting,
         pg_catalog.min(e.available_at) AS oldest
  FROM :events e
  WHERE e.state = :ready
    AND e.ordering_key IS NULL
),
firsts AS MATERIALIZED (
  SELECT DISTINCT ON (waiting.ordering_key) waiting.ordering_key, waiting.available_at
  FROM :events waiting
  WHERE waiting.ordering_key IS NOT NULL
    AND waiting.state = ANY (ARRAY[:ready, :blocked])
  ORDER BY waiting.ordering_key, waiting.row
),
heads AS MATERIALIZED (
  SELECT pg_catalog.count(*) FILTER (WHERE firsts.available_at <= (SELECT now FROM clock)) AS due,
         pg_catalog.count(*) AS waiting,
         pg_catalog.min(firsts.available_at) AS oldest
  FROM firsts
  WHERE NOT EXISTS (
    SELECT 1
    FROM :events owner
    WHERE owner.ordering_key = firsts.ordering_key
      AND owner.ordering_key IS NOT NULL
      AND (owner.state = ANY (ARRAY[:leased, :orphan]) OR owner.holds_key)
  )
),
keyed AS MATERIALIZED (
  SELECT pg_catalog.count(*) AS waiting
  FROM :events waiting
  WHERE waiting.ordering_key IS NOT NULL
    AND waiting.state = ANY (ARRAY[:ready, :blocked])
)
SELECT (SELECT now FROM clock) AS now,
       plain.due + heads.due AS ready,
       ((plain.waiting + heads.waiting) - plain.due) - heads.due AS scheduled,
       keyed.waiting - heads.waiting AS blocked,
       least(plain.oldest, heads.oldest) AS oldest,
       (SELECT pg_catalog.count(*) FROM :events e WHERE e.state = :leased) AS leased,
       (SELECT pg_catalog.count(*) FROM :events e WHERE e.state = :orphan) AS orphans,
       (SELECT pg_catalog.count(*) FROM :events e WHERE e.state = :dead_letter) AS dead_letters,
       (
         SELECT pg_catalog.count(*)
         FROM :events owner
         WHERE owner.state = :dead_letter
           AND owner.ordering_key IS NOT NULL
           AND (owner.state = ANY (ARRAY[:leased, :orphan]) OR owner.holds_key)
       ) AS held_keys
FROM plain
CROSS JOIN heads
CROSS JOIN keyed
)sql"};

/// What was settled since the outbox was made, by name.
inline constexpr sql::statement read_outcomes{"read_outcomes", R"sql(
SELECT o.name,
       pg_catalog.sum(o.processed)::bigint AS processed,
       pg_catalog.sum(o.retried)::bigint AS retried,
       pg_catalog.sum(o.dead_lettered)::bigint AS dead_lettered
FROM :outcomes o
GROUP BY o.name
ORDER BY o.name
)sql"};

/// Deletes up to $2 processed events that have been kept for their time, with their failures. $1: a test's time. The
/// answer: how many were deleted.
inline constexpr sql::statement delete_kept{"delete_kept", R"sql(
WITH over AS MATERIALIZED (
  SELECT e.row
  FROM :events e
  WHERE e.state = :processed
    AND e.kept_until <= (
      SELECT coalesce(
        $1::bigint,
        pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint
      )
    )
  ORDER BY e.kept_until, e.row
  LIMIT $2::bigint
  FOR UPDATE SKIP LOCKED
),
gone AS (
  DELETE FROM :events e
  USING over
  WHERE e.row = over.row
  RETURNING e.row
),
forgotten AS (
  DELETE FROM :failures f
  USING over
  WHERE f.event = over.row
)
SELECT pg_catalog.count(*) AS deleted
FROM gone
)sql"};

/// All of them.
inline constexpr std::array all{
    find_table,          read_version,        store_version,     lock_migration,
    read_search_path,    read_outbox,         find_outbox_table, read_outbox_id,
    insert_events,       insert_plain_events, expire_leases,     claim_ready,
    claim_within_limits, claim_orphan,        scan_next_due,     scan_next_due_within_limits,
    has_unfinished,      block_behind,        free_keys,         read_blocked_keys,
    renew_leases,        release_leases,      delete_processed,  keep_processed,
    settle_failed,       delete_failures,     count_outcomes,    read_commit_status,
    find_event,          read_failures,       read_dead_letters, redrive_dead_letters,
    purge_dead_letters,  read_counts,         read_outcomes,     delete_kept};

}  // namespace event_relay::postgres::detail::statements
