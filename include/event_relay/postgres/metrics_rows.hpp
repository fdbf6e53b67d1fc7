// SPDX-License-Identifier: MIT
// The numbers of an outbox, as statements: what waits is counted in the partial indexes, what ended is added up
// when it is settled.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event_relay/core/decision.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/detail/stored_values.hpp"
#include "event_relay/outbox/queue_metrics.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/postgres/claims.hpp"
#include "event_relay/postgres/driver/connection.hpp"
#include "event_relay/postgres/event_rows.hpp"
#include "event_relay/postgres/session.hpp"

namespace event_relay::postgres::detail {

// Each connection adds to a part of its own, so that the workers do not wait for each other's commits.
inline constexpr int outcome_parts = 64;

// Adds up what was settled. The number of the transaction comes back; empty if it has changed nothing.
inline std::string count_outcomes(session& on, std::span<const settlement<connection>* const> applied) {
  event_relay::detail::outcome_sums by_name;
  for (const settlement<connection>* const each : applied) {
    by_name.add(each->name, each->status);
  }
  array names = array::of_texts();
  array processed = array::of_integers();
  array retried = array::of_integers();
  array dead_lettered = array::of_integers();
  for (const auto& [name, counts] : by_name) {
    names.add(name);
    processed.add(counts.processed);
    retried.add(counts.retried);
    dead_lettered.add(counts.dead_lettered);
  }
  std::string transaction_number;
  on.query(
      "WITH counted AS (INSERT INTO {outcomes} AS o SELECT n.name, pg_backend_pid() % $5, n.processed, n.retried, "
      "n.dead_lettered FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) n(name, processed, retried, "
      "dead_lettered) ON CONFLICT (name, part) DO UPDATE SET processed = o.processed + excluded.processed, "
      "retried = o.retried + excluded.retried, dead_lettered = o.dead_lettered + excluded.dead_lettered RETURNING 1) "
      "SELECT pg_current_xact_id_if_assigned()",
      [&](const row& at) { transaction_number = at.text(0); }, names, processed, retried, dead_lettered, outcome_parts);
  return transaction_number;
}

// Of the events that no claim has looked at, those behind others of their key count as blocked, as a claim would find
// them: of each key that is not taken the first one is ready, and no other.
inline queue_metrics read_metrics(session& on, const clock_override& time) {
  queue_metrics metrics{};
  on.query(
      "WITH c AS MATERIALIZED (SELECT " EVENT_RELAY_PG_TIME
      " AS now), plain AS MATERIALIZED (SELECT count(*) FILTER (WHERE e.available_at <= (SELECT now FROM c)) AS due, "
      "count(*) AS waiting, min(e.available_at) AS oldest FROM {events} e WHERE e.state = 0 AND e.ordering_key IS NULL), "
      "firsts AS MATERIALIZED (SELECT DISTINCT ON (w.ordering_key) w.ordering_key, w.available_at FROM {events} w "
      "WHERE " EVENT_RELAY_PG_IS_WAITING(w) " ORDER BY w.ordering_key, w.row), "
      "heads AS MATERIALIZED (SELECT count(*) FILTER (WHERE f.available_at <= (SELECT now FROM c)) AS due, count(*) AS "
      "waiting, min(f.available_at) AS oldest FROM firsts f WHERE NOT EXISTS (SELECT 1 FROM {events} t WHERE "
      "t.ordering_key = f.ordering_key AND " EVENT_RELAY_PG_IS_TAKEN(t) ")), "
      "keyed AS MATERIALIZED (SELECT count(*) AS waiting FROM {events} w WHERE " EVENT_RELAY_PG_IS_WAITING(w) ") "
      "SELECT (SELECT now FROM c), plain.due + heads.due, plain.waiting + heads.waiting - plain.due - heads.due, "
      "keyed.waiting - heads.waiting, least(plain.oldest, heads.oldest), "
      "(SELECT count(*) FROM {events} e WHERE e.state = 1), (SELECT count(*) FROM {events} e WHERE e.state = 2), "
      "(SELECT count(*) FROM {events} e WHERE e.state = 3), (SELECT count(*) FROM {events} t WHERE t.state = 3 AND "
      EVENT_RELAY_PG_IS_TAKEN(t) ") FROM plain, heads, keyed",
      [&](const row& at) {
        const auto count = [&](int column) { return static_cast<std::uint64_t>(at.integer(column)); };
        metrics.at = instant_of(at.integer(0));
        metrics.ready = count(1);
        metrics.scheduled = count(2);
        metrics.blocked = count(3);
        if (const auto oldest = optional_instant(at, 4); oldest && *oldest <= metrics.at) {
          metrics.oldest_lag = metrics.at - std::max(*oldest, min_instant);
        }
        metrics.leased = count(5);
        metrics.orphans = count(6);
        metrics.dead_letters = count(7);
        metrics.held_keys = count(8);
      },
      time);
  on.query(
      "SELECT name, sum(processed)::bigint, sum(retried)::bigint, sum(dead_lettered)::bigint FROM {outcomes} "
      "GROUP BY name ORDER BY name",
      [&](const row& at) { metrics.outcomes.push_back(event_relay::detail::outcomes_of(at)); });
  return metrics;
}

}  // namespace event_relay::postgres::detail
