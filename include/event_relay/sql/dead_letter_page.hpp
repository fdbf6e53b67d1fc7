// SPDX-License-Identifier: MIT
// A page of dead letters: how a filter and a cursor become a statement's parameters, and its rows a page.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/sql/rows.hpp"
#include "event_relay/sql/statement.hpp"

namespace event_relay::sql {

/// By `statement`, whose parameters are: the instant and the row after which the page begins; since when and until
/// when dead; name, key (empty: none), correlation id and reason, each NULL where it does not matter; and how many.
/// `read_failures(on, rows, events)`, found by the session's type, adds the history to each event.
template <class Session>
dead_letter_page read_page(Session& on, const statement& statement, const dead_letter_filter& filter,
                           const std::optional<dead_letter_cursor>& after, std::size_t limit) {
  constexpr std::int64_t least = (std::numeric_limits<std::int64_t>::min)();
  constexpr std::int64_t most = (std::numeric_limits<std::int64_t>::max)();
  const std::int64_t one_more = (std::min)(row_limit(limit), most - 1) + 1;
  const auto reason = filter.reason ? std::optional{wire_name(*filter.reason)} : std::nullopt;
  dead_letter_page page;
  std::vector<std::int64_t> rows;
  bool has_more = false;
  on.query(
      statement,
      [&](const auto& at) {
        has_more = rows.size() == limit;
        if (!has_more) {
          rows.push_back(at.integer("row"));
          page.events.push_back(stored_event_of(at));
        }
      },
      after ? integer_of(after->dead_since) : least, after ? after->row : least,
      filter.since ? integer_of(*filter.since) : least, filter.until ? integer_of(*filter.until) : most, filter.name,
      filter.ordering_key, filter.correlation_id, reason, one_more);
  read_failures(on, rows, page.events);
  if (has_more && !rows.empty()) {
    page.next = {*page.events.back().dead_since, rows.back()};
  }
  return page;
}

}  // namespace event_relay::sql
