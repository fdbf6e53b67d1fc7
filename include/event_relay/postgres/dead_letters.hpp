// SPDX-License-Identifier: MIT
// What can be done with dead letters. Each function runs in the transaction that its caller has opened.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/postgres/driver/parameters.hpp"
#include "event_relay/postgres/find_event.hpp"
#include "event_relay/postgres/key_order.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/statements.hpp"
#include "event_relay/sql/dead_letter_page.hpp"
#include "event_relay/sql/rows.hpp"

namespace event_relay::postgres::detail {

inline dead_letter_page read_dead_letters(session& on, const dead_letter_filter& filter,
                                          const std::optional<dead_letter_cursor>& after, std::size_t limit) {
  return sql::read_page(on, statements::read_dead_letters, filter, after, limit);
}

/// One answer for each request. Of two for the same event the first one counts.
inline std::vector<bool> redrive_dead_letters(session& on, std::span<const redrive_request> requests) {
  array ids = array::of_texts();
  array available_at = array::of_integers();
  array dead_since = array::of_integers();
  std::set<std::string> fresh;
  for (const redrive_request& each : requests) {
    if (fresh.insert(each.id).second) {
      ids.add(std::string_view{each.id});
      available_at.add(sql::integer_of(each.available_at));
      dead_since.add(sql::integer_of(each.dead_since));
    }
  }
  std::set<std::string> redriven;
  std::set<std::string> keys;
  on.query(
      statements::redrive_dead_letters,
      [&](const row& at) {
        redriven.emplace(at.text("id"));
        if (!at.is_null("ordering_key")) {
          keys.emplace(at.text("ordering_key"));
        }
      },
      ids, available_at, dead_since);
  free_keys(on, keys);
  std::vector<bool> answers;
  answers.reserve(requests.size());
  for (const redrive_request& each : requests) {
    answers.push_back(redriven.erase(each.id) > 0);
  }
  return answers;
}

/// Returns how many were deleted.
inline std::size_t purge_dead_letters(session& on, std::span<const purge_request> requests) {
  array ids = array::of_texts();
  array dead_since = array::of_integers();
  for (const purge_request& each : requests) {
    ids.add(std::string_view{each.id});
    dead_since.add(sql::integer_of(each.dead_since));
  }
  array rows = array::of_integers();
  std::set<std::string> keys;
  on.query(
      statements::purge_dead_letters,
      [&](const row& at) {
        rows.add(at.integer("row"));
        if (!at.is_null("ordering_key")) {
          keys.emplace(at.text("ordering_key"));
        }
      },
      ids, dead_since);
  on.execute(statements::delete_failures, rows);
  free_keys(on, keys);
  return rows.size();
}

}  // namespace event_relay::postgres::detail
