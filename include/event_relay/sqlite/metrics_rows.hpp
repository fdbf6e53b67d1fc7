// SPDX-License-Identifier: MIT
// The numbers of an outbox, as statements: what waits is counted in the partial indexes, what ended is added up
// when it is settled.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "event_relay/core/decision.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/detail/stored_values.hpp"
#include "event_relay/outbox/queue_metrics.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/event_rows.hpp"

namespace event_relay::sqlite::detail {

// Adds up what a turn has settled: one statement for each name, not for each event.
inline void count_outcomes(connection& database, std::span<const settlement<connection>> settlements,
                           std::span<const settle_result> results) {
  event_relay::detail::outcome_sums by_name;
  for (std::size_t at = 0; at < settlements.size(); ++at) {
    if (results[at].status == settle_status::applied) {
      by_name.add(settlements[at].name, settlements[at].status);
    }
  }
  for (const auto& [name, counts] : by_name) {
    database.execute(
        "INSERT INTO main.event_relay_outcomes VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO UPDATE SET "
        "processed = processed + ?2, retried = retried + ?3, dead_lettered = dead_lettered + ?4",
        name, counts.processed, counts.retried, counts.dead_lettered);
  }
}

inline queue_metrics read_metrics(connection& database, instant now) {
  const auto count = [&](std::string_view sql, const auto&... parameters) {
    return static_cast<std::uint64_t>(database.integer(sql, 0, parameters...));
  };
  queue_metrics metrics{.at = now};
  // Each looks into one partial index and no row. Apart, as `min` beside `count` would visit all.
  metrics.ready = count("SELECT count(*) FROM " EVENT_RELAY_READY " AND available_at <= ?", integer_of(now));
  database.query("SELECT min(available_at) FROM " EVENT_RELAY_READY, [&](const row& at) {
    if (const auto oldest = optional_instant(at, 0); oldest && *oldest <= now) {
      metrics.oldest_lag = now - std::max(*oldest, min_instant);
    }
  });
  metrics.scheduled = count("SELECT count(*) FROM " EVENT_RELAY_READY " AND available_at > ?", integer_of(now));
  metrics.leased = count("SELECT count(*) FROM " EVENT_RELAY_LEASED);
  metrics.orphans = count("SELECT count(*) FROM " EVENT_RELAY_ORPHANS);
  metrics.dead_letters = count("SELECT count(*) FROM " EVENT_RELAY_DEAD);
  metrics.blocked = count("SELECT count(*) FROM " EVENT_RELAY_BLOCKED);
  metrics.held_keys = count("SELECT count(*) FROM " EVENT_RELAY_HOLDERS);
  database.query("SELECT name, processed, retried, dead_lettered FROM main.event_relay_outcomes ORDER BY name",
                 [&](const row& at) { metrics.outcomes.push_back(event_relay::detail::outcomes_of(at)); });
  return metrics;
}

}  // namespace event_relay::sqlite::detail
