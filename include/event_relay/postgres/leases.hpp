// SPDX-License-Identifier: MIT
// What becomes of leases between claim and settle: they are renewed, or their events are released. Each function runs
// in the transaction that its caller has opened.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "event_relay/outbox/event_record.hpp"
#include "event_relay/postgres/driver/parameters.hpp"
#include "event_relay/postgres/driver/server_clock.hpp"
#include "event_relay/postgres/key_order.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/statements.hpp"

namespace event_relay::postgres::detail {

/// Each lease once, in the order of the rows: transactions that lock their rows in one order cannot deadlock.
struct sorted_leases {
  array rows = array::of_integers();
  array tokens = array::of_integers();

  explicit sorted_leases(std::span<const lease> leases) {
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

/// One answer for each lease: whether it is still held, and so was renewed.
inline std::vector<bool> renew_leases(session& on, const clock_override& time, std::span<const lease> leases,
                                      std::chrono::milliseconds length) {
  const sorted_leases sorted{leases};
  std::set<std::pair<std::int64_t, std::uint64_t>> renewed;
  on.query(
      statements::renew_leases,
      [&](const row& at) { renewed.emplace(at.integer("row"), static_cast<std::uint64_t>(at.integer("token"))); }, time,
      sorted.rows, sorted.tokens, addable(length));
  std::vector<bool> answers;
  answers.reserve(leases.size());
  for (const lease& each : leases) {
    answers.push_back(renewed.contains({each.row, each.token}));
  }
  return answers;
}

/// Returns how many claims were undone.
inline std::size_t release_leases(session& on, std::span<const lease> leases) {
  const sorted_leases sorted{leases};
  std::size_t released = 0;
  std::set<std::string> keys;
  on.query(
      statements::release_leases,
      [&](const row& at) {
        ++released;
        if (!at.is_null("ordering_key")) {
          keys.emplace(at.text("ordering_key"));
        }
      },
      sorted.rows, sorted.tokens);
  free_keys(on, keys);
  return released;
}

}  // namespace event_relay::postgres::detail
