// SPDX-License-Identifier: MIT
// The rules of claiming, as statements: what may be attempted now, by whom, and what becomes of events whose
// worker vanished. What another claim has locked is passed over, never waited for. Each function runs in the
// transaction that its caller has opened.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/postgres/claim_cursor.hpp"
#include "event_relay/postgres/driver/server_clock.hpp"
#include "event_relay/postgres/event_rows.hpp"
#include "event_relay/postgres/ordering.hpp"
#include "event_relay/postgres/session.hpp"

namespace event_relay::postgres::detail {

// Expired leases make orphans. An attempt that was not alone is forgotten; an isolated one counts as failed. Returns
// whether there are orphans now.
inline bool expire(session& on, const clock_override& time, std::int64_t from, std::int64_t kept) {
  return on.integer(
             "WITH c AS MATERIALIZED (SELECT " EVENT_RELAY_PG_TIME
             " AS now), over AS MATERIALIZED (SELECT e.row FROM {events} e WHERE e.state = 1 AND e.leased_until >= $2 "
             "AND e.leased_until <= (SELECT now FROM c) ORDER BY e.leased_until FOR UPDATE SKIP LOCKED), "
             "changed AS (UPDATE {events} e SET state = 2, attempt = e.attempt - CASE WHEN e.solo THEN 0 ELSE 1 END, "
             "crashed = e.solo, failures = e.failures + CASE WHEN e.solo THEN 1 ELSE 0 END, leased_until = NULL "
             "FROM over WHERE e.row = over.row RETURNING e.row, e.solo, e.failures, e.attempt), "
             "trimmed AS (DELETE FROM {failures} f USING changed WHERE f.event = changed.row AND changed.solo AND "
             "f.number <= changed.failures - $3), "
             "noted AS (INSERT INTO {failures} SELECT row, failures, attempt, (SELECT now FROM c), 'lease expired' "
             "FROM changed WHERE solo AND $3::bigint > 0) "
             "SELECT ((SELECT count(*) FROM changed) > 0 OR EXISTS (SELECT 1 FROM {events} e WHERE e.state = 2))::int",
             0, time, from, kept) != 0;
}

// The claim's CTEs behind `due`, the events that may be leased and are locked: those that are no other's turn
// are leased, and for the rest their keys come back. Each row bears the server's time.
#define EVENT_RELAY_PG_LEASE_DUE \
  "placed AS MATERIALIZED (SELECT d.row, d.ordering_key, d.ordering_key IS NOT NULL AND " EVENT_RELAY_PG_IS_BEHIND(d)    \
  " AS is_behind FROM due d), leased AS (UPDATE {events} e SET state = 1, attempt = e.attempt + 1, "                  \
  "token = (SELECT nextval('{tokens}')), leased_until = " EVENT_RELAY_PG_HELD("(SELECT now FROM c) + $2")                \
  ", solo = $3::boolean FROM placed p WHERE e.row = p.row AND NOT p.is_behind "                                       \
  "RETURNING e.row, e.attempt, e.crashed, e.failures, e.token, e.available_at, " EVENT_RELAY_PG_RECORD_COLUMNS(e)        \
  ") SELECT c.now, l.* FROM c LEFT JOIN (SELECT leased.* FROM leased UNION ALL SELECT NULL, 0, false, 0, 0, 0, NULL, " \
  "NULL, NULL, 0, NULL, false, NULL, NULL, NULL, p.ordering_key FROM placed p WHERE p.is_behind) l ON true"

struct leased_part {
  instant now;
  std::vector<claimed_event> claims;
  /// The instant at which each became ready.
  std::vector<std::int64_t> due;
  /// Those of events that have to wait for others.
  std::set<std::string> keys_behind;
};

template <class... Parameters>
leased_part lease_due(session& on, std::string_view sql, bool is_isolated, std::int64_t kept,
                      const Parameters&... parameters) {
  leased_part part{};
  on.query(
      sql,
      [&](const row& at) {
        part.now = instant_of(at.integer(0));
        if (!at.is_null(1)) {
          part.due.push_back(at.integer(6));
          part.claims.push_back({.held = {at.integer(1), static_cast<std::uint64_t>(at.integer(5))},
                                 .record = record_of(at, 7),
                                 .attempt = static_cast<attempt_number>(at.integer(2)),
                                 .isolated = is_isolated,
                                 .crashed = at.integer(3) != 0,
                                 .failures = static_cast<std::uint32_t>(std::min<std::int64_t>(at.integer(4), kept))});
        } else if (!at.is_null(16)) {
          part.keys_behind.emplace(at.text(16));
        }
      },
      parameters...);
  return part;
}

inline constexpr std::string_view lease_ready =
    "WITH c AS MATERIALIZED (SELECT " EVENT_RELAY_PG_TIME
    " AS now), due AS MATERIALIZED (SELECT e.row, e.ordering_key FROM {events} e WHERE e.state = 0 AND "
    "e.available_at >= $4 AND e.available_at <= (SELECT now FROM c) ORDER BY e.available_at, e.row LIMIT $5 "
    "FOR UPDATE SKIP LOCKED), " EVENT_RELAY_PG_LEASE_DUE;

// The names of ready events, one after the other by their index, so that those which wait for their claim limit are not
// looked at, however many they are.
#define EVENT_RELAY_PG_READY_NAMES                                                                                \
  "names AS ((SELECT e.name FROM {events} e WHERE e.state = 0 ORDER BY e.name LIMIT 1) UNION ALL SELECT (SELECT " \
  "e.name FROM {events} e WHERE e.state = 0 AND e.name > n.name ORDER BY e.name LIMIT 1) FROM names n WHERE "     \
  "n.name IS NOT NULL)"

inline constexpr std::string_view lease_within_limits =
    "WITH RECURSIVE c AS MATERIALIZED (SELECT " EVENT_RELAY_PG_TIME " AS now), " EVENT_RELAY_PG_READY_NAMES
    ", due AS MATERIALIZED (SELECT f.row, f.ordering_key FROM names n LEFT JOIN unnest($4::text[], $5::bigint[]) "
    "q(name, most) ON q.name = n.name CROSS JOIN LATERAL (SELECT e.row, e.ordering_key, e.available_at FROM {events} e "
    "WHERE e.state = 0 AND e.name = n.name AND e.available_at <= (SELECT now FROM c) ORDER BY e.available_at, e.row "
    "LIMIT coalesce(q.most, $6) FOR UPDATE SKIP LOCKED) f ORDER BY f.available_at, f.row LIMIT "
    "$6), " EVENT_RELAY_PG_LEASE_DUE;

inline constexpr std::string_view lease_orphan =
    "WITH c AS MATERIALIZED (SELECT " EVENT_RELAY_PG_TIME
    " AS now), due AS MATERIALIZED (SELECT e.row, NULL::text AS ordering_key FROM {events} e WHERE e.state = 2 "
    "ORDER BY e.row LIMIT 1 FOR UPDATE SKIP LOCKED), " EVENT_RELAY_PG_LEASE_DUE;

/// What is left of the limits of `request` when `claimed` have taken their part.
struct limits_left {
  array names = array::of_texts();
  array most = array::of_integers();

  limits_left(const claim_request& request, std::span<const claimed_event> claimed) {
    for (const claim_limit& each : request.limits_by_name) {
      const auto taken = std::count_if(claimed.begin(), claimed.end(),
                                       [&](const claimed_event& claim) { return claim.record.name == each.name; });
      names.add(std::string_view{each.name});
      most.add(std::max<std::int64_t>(row_limit(each.most) - taken, 0));
    }
  }
};

// A claim that finds many events of one key looks again behind them, and again.
inline constexpr int most_looks = 8;

// In the order in which they became ready, and of their append where that is the same.
inline std::vector<claimed_event> in_order(leased_part part) {
  std::vector<std::size_t> order(part.claims.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t one, std::size_t other) {
    return std::tie(part.due[one], part.claims[one].held.row) < std::tie(part.due[other], part.claims[other].held.row);
  });
  std::vector<claimed_event> sorted;
  sorted.reserve(order.size());
  for (const std::size_t at : order) {
    sorted.push_back(std::move(part.claims[at]));
  }
  return sorted;
}

// Leases what `request` asks for, under a token that no claim had before. Of a store's threads each passes a window
// of its own.
template <class Clock>
std::vector<claimed_event> claim(session& on, const claim_request& request, Clock& clock, claim_cursor& ready,
                                 std::int64_t kept) {
  const clock_override time = clock_override_of(clock);
  const std::int64_t length = addable(request.length);
  if (request.kind == claim_kind::orphan) {
    return in_order(lease_due(on, lease_orphan, true, kept, time, length, true));
  }
  leased_part all;
  const bool has_limits = !request.limits_by_name.empty();
  const std::int64_t from = has_limits ? claim_cursor::from_the_start : ready.begin(clock.now());
  for (int look = 0; look < most_looks; ++look) {
    const std::int64_t more = row_limit(request.limit - all.claims.size());
    leased_part part;
    if (has_limits) {
      const limits_left left{request, all.claims};
      part = lease_due(on, lease_within_limits, false, kept, time, length, false, left.names, left.most, more);
    } else {
      part = lease_due(on, lease_ready, false, kept, time, length, false, from, more);
    }
    all.now = part.now;
    std::move(part.claims.begin(), part.claims.end(), std::back_inserter(all.claims));
    all.due.insert(all.due.end(), part.due.begin(), part.due.end());
    if (part.keys_behind.empty()) {
      break;
    }
    const bool has_blocked = block_behind(on, part.keys_behind) > 0;
    open_keys(on, part.keys_behind);
    if (!has_blocked || all.claims.size() == request.limit) {
      break;
    }
  }
  if (!has_limits) {
    const std::int64_t first =
        all.due.empty() ? integer_of(all.now) : *std::min_element(all.due.begin(), all.due.end());
    ready.end(first, all.claims.size(), clock.now());
  }
  sync(clock, all.now);
  return in_order(std::move(all));
}

inline std::optional<instant> earlier(const std::optional<instant>& one, const std::optional<instant>& other) {
  return one && other ? std::min(one, other) : one ? one : other;
}

// What a look ahead has found.
struct outlook {
  std::optional<instant> ready;
  std::optional<instant> lease_end;
  bool has_orphans = false;
};

// When something comes due, and whether orphans wait. It reads only.
inline outlook look_ahead(session& on, const exchange_result& result, const claim_request& request,
                          std::int64_t ready_from, std::int64_t leased_from) {
  outlook found;
  on.query(
      "SELECT (SELECT min(e.available_at) FROM {events} e WHERE e.state = 0 AND e.available_at >= $1 AND $3::boolean), "
      "(SELECT min(e.leased_until) FROM {events} e WHERE e.state = 1 AND e.leased_until >= $2), "
      "EXISTS (SELECT 1 FROM {events} e WHERE e.state = 2)",
      [&](const row& at) {
        found = {optional_instant(at, 0), optional_instant(at, 1), at.integer(2) != 0};
      },
      ready_from, leased_from, request.limits_by_name.empty());
  if (!request.limits_by_name.empty()) {
    const limits_left left{request, result.claimed};
    on.query(
        "WITH RECURSIVE " EVENT_RELAY_PG_READY_NAMES
        " SELECT min((SELECT min(e.available_at) FROM {events} e WHERE e.state = 0 AND e.name = n.name)) FROM names n "
        "LEFT JOIN unnest($1::text[], $2::bigint[]) q(name, most) ON q.name = n.name WHERE coalesce(q.most, 1) > 0",
        [&](const row& at) { found.ready = optional_instant(at, 0); }, left.names, left.most);
  }
  return found;
}

}  // namespace event_relay::postgres::detail
