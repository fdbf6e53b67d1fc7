// SPDX-License-Identifier: MIT
// Claims with limits by name read the ready events name by name. Events that wait for their claim limit are passed over
// without a visit to them, however many they are. These functions read only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/sql/rows.hpp"
#include "event_relay/sql/statement.hpp"
#include "event_relay/sqlite/driver/row.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/statements/claim.hpp"

namespace event_relay::sqlite::detail {

/// The instant in the column `earliest` of the statement's only row; absent if it is NULL.
template <class... Parameters>
std::optional<instant> earliest_of(session& on, const sql::statement& what, const Parameters&... parameters) {
  std::optional<instant> found;
  on.query(
      what, [&](const row& at) { found = sql::optional_instant(at, "earliest"); }, parameters...);
  return found;
}

template <class Visit>
void for_each_ready_name(session& on, Visit visit) {
  std::string least;
  for (std::optional<std::string> name;; name.reset()) {
    on.query(
        statements::next_ready_name, [&](const row& at) { name = at.text("name"); }, least);
    if (!name) {
      return;
    }
    visit(*name);
    least = *name + '\0';  // no text is between the two
  }
}

/// The rows of the events that are due first, within the claim limits.
inline std::vector<std::int64_t> ready_within_limits(session& on, const claim_request& request, instant now) {
  std::vector<std::tuple<std::int64_t, std::int64_t>> found;  // due, row
  for_each_ready_name(on, [&](const std::string& name) {
    if (const std::size_t most = request.most_of(name); most > 0) {
      on.query(
          statements::select_ready_of_name,
          [&](const row& at) { found.emplace_back(at.integer("available_at"), at.integer("row")); }, name,
          sql::integer_of(now), sql::row_limit(most));
    }
  });
  std::sort(found.begin(), found.end());
  found.resize((std::min)(found.size(), request.limit));
  std::vector<std::int64_t> rows;
  rows.reserve(found.size());
  for (const auto& [due, row] : found) {
    rows.push_back(row);
  }
  return rows;
}

/// When the next event becomes ready, of the names whose claim limit is not used up by what was claimed.
inline std::optional<instant> next_ready_within_limits(session& on, const exchange_result& result,
                                                       const claim_request& request) {
  std::optional<instant> next;
  for_each_ready_name(on, [&](const std::string& name) {
    const auto claimed = std::count_if(result.claimed.begin(), result.claimed.end(),
                                       [&](const claimed_event& each) { return each.record.name == name; });
    if (static_cast<std::size_t>(claimed) < request.most_of(name)) {
      next = sql::earlier(next, earliest_of(on, statements::earliest_ready_of_name, name));
    }
  });
  return next;
}

}  // namespace event_relay::sqlite::detail
