// SPDX-License-Identifier: MIT
// What becomes of leases between claim and settle, as statements. Each function runs in the transaction that its
// caller has opened.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "event_relay/outbox/event_record.hpp"
#include "event_relay/postgres/claims.hpp"
#include "event_relay/postgres/event_rows.hpp"
#include "event_relay/postgres/ordering.hpp"
#include "event_relay/postgres/session.hpp"

namespace event_relay::postgres::detail {

/// Each once, in the order of their rows: who locks many rows locks them in that order.
struct lease_columns {
  array rows = array::of_integers();
  array tokens = array::of_integers();

  explicit lease_columns(std::span<const lease> leases) {
    std::set<std::pair<std::int64_t, std::uint64_t>> sorted;
    for (const lease& each : leases) {
      sorted.emplace(each.row, each.token);
    }
    for (const auto& [row, token] : sorted) {
      rows.add(row);
      tokens.add(static_cast<std::int64_t>(token));
    }
  }
};

inline std::vector<bool> renew(session& on, const clock_override& time, std::span<const lease> leases,
                               std::chrono::milliseconds length) {
  const lease_columns columns{leases};
  std::set<std::pair<std::int64_t, std::uint64_t>> renewed;
  on.query(
      "UPDATE {events} e SET leased_until = " EVENT_RELAY_PG_HELD("(SELECT " EVENT_RELAY_PG_TIME ") + $4")
      " FROM unnest($2::bigint[], $3::bigint[]) s(row, token) WHERE e.row = s.row AND e.token = s.token AND "
      "e.state = 1 RETURNING e.row, e.token",
      [&](const row& at) { renewed.emplace(at.integer(0), static_cast<std::uint64_t>(at.integer(1))); }, time,
      columns.rows, columns.tokens, addable(length));
  std::vector<bool> answers;
  answers.reserve(leases.size());
  for (const lease& each : leases) {
    answers.push_back(renewed.contains({each.row, each.token}));
  }
  return answers;
}

// Returns how many were undone.
inline std::size_t release(session& on, std::span<const lease> leases) {
  const lease_columns columns{leases};
  std::size_t released = 0;
  std::set<std::string> keys;
  on.query(
      "UPDATE {events} e SET state = CASE WHEN e.solo THEN 2 ELSE 0 END, attempt = e.attempt - 1, leased_until = NULL "
      "FROM unnest($1::bigint[], $2::bigint[]) s(row, token) WHERE e.row = s.row AND e.token = s.token AND e.state = 1 "
      "RETURNING e.ordering_key",
      [&](const row& at) {
        ++released;
        if (!at.is_null(0)) {
          keys.emplace(at.text(0));
        }
      },
      columns.rows, columns.tokens);
  open_keys(on, keys);
  return released;
}

}  // namespace event_relay::postgres::detail
