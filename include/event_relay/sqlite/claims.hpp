// SPDX-License-Identifier: MIT
// The rules of claiming, as statements: what may be attempted now, by whom, and what becomes of events whose
// worker vanished. Each function runs in the transaction that its caller has opened.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/event_rows.hpp"
#include "event_relay/sqlite/ready_names.hpp"

namespace event_relay::sqlite::detail {

// When something comes due, and whether orphans wait. It reads only.
inline void look_ahead(connection& database, exchange_result& result, const claim_request& request) {
  if (result.claimed.size() < request.limit) {
    const auto earliest = [&](std::string_view sql) {
      std::optional<instant> found;
      database.query(sql, [&](const row& at) { found = optional_instant(at, 0); });
      return found;
    };
    const auto ready = request.limits_by_name.empty() ? earliest("SELECT min(available_at) FROM " EVENT_RELAY_READY)
                                                      : next_ready_within_limits(database, result, request);
    const auto freed = earliest("SELECT min(leased_until) FROM " EVENT_RELAY_LEASED);
    result.next_due = ready && freed ? std::min(ready, freed) : ready ? ready : freed;
  }
  result.orphans_waiting = database.integer("SELECT EXISTS (SELECT 1 FROM " EVENT_RELAY_ORPHANS ")", 0) != 0;
}

// Expired leases make orphans. An attempt that was not alone is forgotten; an isolated one counts as failed. REPLACE:
// see `keep_failure`.
inline void expire(connection& database, instant now, std::uint32_t kept) {
  database.execute(
      "INSERT OR REPLACE INTO main.event_relay_failures SELECT row, failures + 1, attempt, ?1, 'lease expired' "
      "FROM " EVENT_RELAY_LEASED " AND leased_until <= ?1 AND solo",
      integer_of(now));
  // CROSS JOIN: from the few that are over to their failures, never the other way round.
  database.execute(
      "DELETE FROM main.event_relay_failures WHERE (event, number) IN (SELECT f.event, f.number FROM "
      "main.event_relay_events e INDEXED BY event_relay_leased CROSS JOIN main.event_relay_failures f "
      "ON f.event = e.row AND f.number <= e.failures + 1 - ?2 "
      "WHERE e.state = 1 AND e.leased_until <= ?1 AND e.solo)",
      integer_of(now), kept);
  database.execute(
      "UPDATE main.event_relay_events INDEXED BY event_relay_leased SET state = 2, "
      "attempt = attempt - iif(solo, 0, 1), crashed = solo, failures = failures + solo, leased_until = NULL "
      "WHERE state = 1 AND leased_until <= ?",
      integer_of(now));
}

// Leases what `request` asks for, under a token that no claim had before.
inline void claim(connection& database, exchange_result& result, const claim_request& request, instant now,
                  std::uint32_t kept) {
  const std::int64_t token =
      database.integer("UPDATE main.event_relay_outbox SET last_token = last_token + 1 RETURNING last_token", 0);
  const std::int64_t until = integer_of(saturating_add(now, request.length));
  const bool is_isolated = request.kind == claim_kind::orphan;
  const auto take = [&](const row& at) {
    result.claimed.push_back({.held = {at.integer(0), static_cast<std::uint64_t>(token)},
                              .record = record_of(at, 4),
                              .attempt = static_cast<attempt_number>(at.integer(1)),
                              .isolated = is_isolated,
                              .crashed = at.integer(2) != 0,
                              .failures = static_cast<std::uint32_t>(std::min<std::int64_t>(at.integer(3), kept))});
  };
  if (is_isolated) {
    database.query(
        "UPDATE main.event_relay_events SET state = 1, attempt = attempt + 1, token = ?1, leased_until = ?2, solo = 1 "
        "WHERE row = (SELECT min(row) FROM " EVENT_RELAY_ORPHANS
        ") "
        "RETURNING row, attempt, crashed, failures, " EVENT_RELAY_RECORD_COLUMNS,
        take, token, until);
    return;
  }
  if (!request.limits_by_name.empty()) {
    for (const std::int64_t each : ready_within_limits(database, request, now)) {
      database.query(
          "UPDATE main.event_relay_events SET state = 1, attempt = attempt + 1, token = ?1, leased_until = ?2, "
          "solo = 0 WHERE row = ?3 RETURNING row, attempt, crashed, failures, " EVENT_RELAY_RECORD_COLUMNS,
          take, token, until, each);
    }
    return;
  }
  // Read first, as RETURNING promises no order (https://sqlite.org/lang_returning.html) and is slower.
  const std::int64_t limit = row_limit(request.limit);
  database.query("SELECT row, attempt + 1, crashed, failures, " EVENT_RELAY_RECORD_COLUMNS " FROM " EVENT_RELAY_READY
                 " AND available_at <= ? "
                 "ORDER BY available_at, row LIMIT ?",
                 take, integer_of(now), limit);
  database.execute(
      "UPDATE main.event_relay_events SET state = 1, attempt = attempt + 1, token = ?1, leased_until = ?2, solo = 0 "
      "WHERE row IN (SELECT row FROM " EVENT_RELAY_READY
      " AND available_at <= ?3 "
      "ORDER BY available_at, row LIMIT ?4)",
      token, until, integer_of(now), limit);
}

}  // namespace event_relay::sqlite::detail
