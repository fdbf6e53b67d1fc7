// SPDX-License-Identifier: MIT
// The ready events name by name, for claims with claim limits: events that wait for their claim limit are passed over
// without being looked at, however many they are. Each function but the first reads only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/event_rows.hpp"

namespace event_relay::sqlite::detail {

// Not a part of the schema: an outbox whose workers have no such limits need not keep it up to date.
inline void make_name_index(connection& database) {
  database.execute(
      "CREATE INDEX IF NOT EXISTS main.event_relay_ready_by_name ON event_relay_events (name, available_at, row) "
      "WHERE state = 0");
}

#define EVENT_RELAY_READY_BY_NAME "main.event_relay_events INDEXED BY event_relay_ready_by_name WHERE state = 0"

template <class Visit>
void for_each_ready_name(connection& database, Visit visit) {
  std::string least;
  for (std::optional<std::string> name;; name.reset()) {
    database.query(
        "SELECT name FROM " EVENT_RELAY_READY_BY_NAME " AND name >= ? ORDER BY name LIMIT 1",
        [&](const row& at) { name = at.text(0); }, least);
    if (!name) {
      return;
    }
    visit(*name);
    least = *name + '\0';  // no text is between the two
  }
}

// The rows of the oldest events within the claim limits.
inline std::vector<std::int64_t> ready_within_limits(connection& database, const claim_request& request, instant now) {
  std::vector<std::tuple<std::int64_t, std::int64_t>> found;  // due, row
  for_each_ready_name(database, [&](const std::string& name) {
    if (const std::size_t most = request.most_of(name); most > 0) {
      database.query(
          "SELECT available_at, row FROM " EVENT_RELAY_READY_BY_NAME
          " AND name = ? AND available_at <= ? ORDER BY available_at, row LIMIT ?",
          [&](const row& at) { found.emplace_back(at.integer(0), at.integer(1)); }, name, integer_of(now),
          row_limit(most));
    }
  });
  std::sort(found.begin(), found.end());
  found.resize(std::min(found.size(), request.limit));
  std::vector<std::int64_t> rows;
  rows.reserve(found.size());
  for (const auto& [due, row] : found) {
    rows.push_back(row);
  }
  return rows;
}

// When the earliest event becomes ready of those whose claim limit is not used up by what was claimed.
inline std::optional<instant> next_ready_within_limits(connection& database, const exchange_result& result,
                                                       const claim_request& request) {
  std::optional<instant> next;
  for_each_ready_name(database, [&](const std::string& name) {
    const auto claimed = std::count_if(result.claimed.begin(), result.claimed.end(),
                                       [&](const claimed_event& each) { return each.record.name == name; });
    if (static_cast<std::size_t>(claimed) < request.most_of(name)) {
      database.query(
          "SELECT min(available_at) FROM " EVENT_RELAY_READY_BY_NAME " AND name = ?",
          [&](const row& at) {
            const auto due = optional_instant(at, 0);
            next = next && due ? std::min(next, due) : next ? next : due;
          },
          name);
    }
  });
  return next;
}

#undef EVENT_RELAY_READY_BY_NAME

}  // namespace event_relay::sqlite::detail
