// SPDX-License-Identifier: MIT
// The numbers of an outbox: events that have not ended are counted in the partial indexes, and what has ended is added
// up when it is settled. Each function runs in the transaction that its caller has opened.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/queue_metrics.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/postgres/driver/connection.hpp"
#include "event_relay/postgres/driver/parameters.hpp"
#include "event_relay/postgres/driver/server_clock.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/statements.hpp"
#include "event_relay/sql/rows.hpp"

namespace event_relay::postgres::detail {

/// How many rows the outcomes of one name have at most.
inline constexpr int outcome_parts = 64;

/// Adds up what was settled. Returns the transaction's number, which is empty if it has changed nothing.
inline std::string count_outcomes(session& on, std::span<const settlement<connection>* const> applied) {
  sql::outcome_sums by_name;
  for (const settlement<connection>* const each : applied) {
    by_name.add(each->name, each->status);
  }
  array names = array::of_texts();
  array processed = array::of_integers();
  array retried = array::of_integers();
  array dead_lettered = array::of_integers();
  for (const auto& [name, sums] : by_name) {
    names.add(name);
    processed.add(sums.processed);
    retried.add(sums.retried);
    dead_lettered.add(sums.dead_lettered);
  }
  std::string transaction_number;
  on.query(
      statements::count_outcomes, [&](const row& at) { transaction_number = at.text("transaction_number"); }, names,
      processed, retried, dead_lettered, outcome_parts);
  return transaction_number;
}

inline queue_metrics read_metrics(session& on, const clock_override& time) {
  queue_metrics metrics{};
  on.query(
      statements::read_counts,
      [&](const row& at) {
        const auto count = [&](std::string_view column) { return static_cast<std::uint64_t>(at.integer(column)); };
        metrics.at = sql::instant_of(at, "now");
        metrics.ready = count("ready");
        metrics.scheduled = count("scheduled");
        metrics.blocked = count("blocked");
        if (const auto oldest = sql::optional_instant(at, "oldest"); oldest && *oldest <= metrics.at) {
          metrics.oldest_lag = metrics.at - (std::max)(*oldest, min_instant);
        }
        metrics.leased = count("leased");
        metrics.orphans = count("orphans");
        metrics.dead_letters = count("dead_letters");
        metrics.held_keys = count("held_keys");
      },
      time);
  on.query(statements::read_outcomes, [&](const row& at) { metrics.outcomes.push_back(sql::outcomes_of(at)); });
  return metrics;
}

}  // namespace event_relay::postgres::detail
