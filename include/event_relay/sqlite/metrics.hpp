// SPDX-License-Identifier: MIT
// The numbers of an outbox: what has not ended is counted in the partial indexes, what has ended is added up when it is
// settled.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/queue_metrics.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/sql/rows.hpp"
#include "event_relay/sql/statement.hpp"
#include "event_relay/sqlite/claim_limits.hpp"
#include "event_relay/sqlite/driver/row.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/statements/claim.hpp"
#include "event_relay/sqlite/statements/operate.hpp"
#include "event_relay/sqlite/statements/settle.hpp"

namespace event_relay::sqlite::detail {

/// Adds up what an exchange has settled: one statement for each name, not for each event.
inline void count_outcomes(session& on, std::span<const settlement<connection>> settlements,
                           std::span<const settle_result> results) {
  sql::outcome_sums by_name;
  for (std::size_t at = 0; at < settlements.size(); ++at) {
    if (results[at].status == settle_status::applied) {
      by_name.add(settlements[at].name, settlements[at].status);
    }
  }
  for (const auto& [name, counts] : by_name) {
    on.execute(statements::add_outcomes, name, counts.processed, counts.retried, counts.dead_lettered);
  }
}

inline queue_metrics read_metrics(session& on, instant now) {
  const auto count = [&](const sql::statement& what, const auto&... parameters) {
    return static_cast<std::uint64_t>(on.integer(what, 0, parameters...));
  };
  queue_metrics metrics{.at = now};
  metrics.ready = count(statements::count_ready, sql::integer_of(now));
  if (const auto oldest = earliest_of(on, statements::earliest_ready); oldest && *oldest <= now) {
    metrics.oldest_lag = now - (std::max)(*oldest, min_instant);
  }
  metrics.scheduled = count(statements::count_scheduled, sql::integer_of(now));
  metrics.leased = count(statements::count_leased);
  metrics.orphans = count(statements::count_orphans);
  metrics.dead_letters = count(statements::count_dead_letters);
  metrics.blocked = count(statements::count_blocked);
  metrics.held_keys = count(statements::count_held_keys);
  on.query(statements::select_outcomes, [&](const row& at) { metrics.outcomes.push_back(sql::outcomes_of(at)); });
  return metrics;
}

}  // namespace event_relay::sqlite::detail
