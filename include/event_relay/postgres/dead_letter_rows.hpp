// SPDX-License-Identifier: MIT
// What can be done with dead letters, as statements. Each function runs in the transaction that its caller has
// opened.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/postgres/event_rows.hpp"
#include "event_relay/postgres/ordering.hpp"
#include "event_relay/postgres/session.hpp"

namespace event_relay::postgres::detail {

inline std::optional<std::int64_t> optional_integer(const std::optional<instant>& at) {
  return at ? std::optional{integer_of(*at)} : std::nullopt;
}

inline dead_letter_page read_page(session& on, const dead_letter_filter& filter,
                                  const std::optional<dead_letter_cursor>& after, std::size_t limit) {
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const auto one_more = std::min(row_limit(limit), most - 1) + 1;
  const auto reason = filter.reason ? std::optional{wire_name(*filter.reason)} : std::nullopt;
  dead_letter_page page;
  std::vector<std::int64_t> rows;
  bool has_more = false;
  on.query(
      "SELECT " EVENT_RELAY_PG_STORED_COLUMNS
      " FROM {events} e WHERE e.state = 3 AND (e.dead_since, e.row) > ($1::bigint, $2::bigint) "
      "AND e.dead_since >= $3::bigint AND e.dead_since < $4::bigint AND ($5::text IS NULL OR e.name = $5) "
      "AND ($6::text IS NULL OR e.ordering_key IS NOT DISTINCT FROM nullif($6, '')) "
      "AND ($7::text IS NULL OR e.correlation_id = $7) AND ($8::text IS NULL OR e.reason = $8) "
      "ORDER BY e.dead_since, e.row LIMIT $9",
      [&](const row& at) {
        has_more = rows.size() == limit;
        if (!has_more) {
          rows.push_back(at.integer(0));
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

// A keyed event has its place in its key by its row; the claim will find it.
inline std::vector<bool> redrive(session& on, std::span<const redrive_request> requests) {
  array ids = array::of_texts();
  array available_at = array::of_integers();
  array dead_since = array::of_integers();
  std::set<std::string> fresh;
  for (const redrive_request& each : requests) {
    if (fresh.insert(each.id).second) {
      ids.add(std::string_view{each.id});
      available_at.add(integer_of(each.available_at));
      dead_since.add(optional_integer(each.dead_since));
    }
  }
  std::set<std::string> redriven;
  std::set<std::string> keys;
  on.query(
      "UPDATE {events} e SET state = 0, holds_key = false, attempt = 0, available_at = s.available_at, "
      "dead_since = NULL, reason = NULL FROM unnest($1::text[], $2::bigint[], $3::bigint[]) "
      "s(id, available_at, dead_since) WHERE e.id = s.id AND e.state = 3 "
      "AND (s.dead_since IS NULL OR e.dead_since = s.dead_since) RETURNING e.id, e.ordering_key",
      [&](const row& at) {
        redriven.emplace(at.text(0));
        if (!at.is_null(1)) {
          keys.emplace(at.text(1));
        }
      },
      ids, available_at, dead_since);
  open_keys(on, keys);
  std::vector<bool> answers;
  answers.reserve(requests.size());
  for (const redrive_request& each : requests) {
    answers.push_back(redriven.erase(each.id) > 0);  // the first of two counts
  }
  return answers;
}

// Returns how many there were.
inline std::size_t purge(session& on, std::span<const purge_request> requests) {
  array ids = array::of_texts();
  array dead_since = array::of_integers();
  for (const purge_request& each : requests) {
    ids.add(std::string_view{each.id});
    dead_since.add(optional_integer(each.dead_since));
  }
  array rows = array::of_integers();
  std::set<std::string> keys;
  on.query(
      "DELETE FROM {events} e USING unnest($1::text[], $2::bigint[]) s(id, dead_since) WHERE e.id = s.id "
      "AND e.state = 3 AND (s.dead_since IS NULL OR e.dead_since = s.dead_since) RETURNING e.row, e.ordering_key",
      [&](const row& at) {
        rows.add(at.integer(0));
        if (!at.is_null(1)) {
          keys.emplace(at.text(1));
        }
      },
      ids, dead_since);
  on.execute("DELETE FROM {failures} WHERE event = ANY ($1::bigint[])", rows);
  open_keys(on, keys);
  return rows.size();
}

}  // namespace event_relay::postgres::detail
