// SPDX-License-Identifier: MIT
// The scan: when the next event is due, and whether orphans wait. It reads only, and so needs no write lock.
#pragma once

#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/sql/rows.hpp"
#include "event_relay/sqlite/claim_limits.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/statements/claim.hpp"

namespace event_relay::sqlite::detail {

/// Adds to `result` when the next event is due, unless as much was claimed as the request allows, and whether orphans
/// wait.
inline void scan(session& on, exchange_result& result, const claim_request& request) {
  if (result.claimed.size() < request.limit) {
    const auto ready = request.limits_by_name.empty() ? earliest_of(on, statements::earliest_ready)
                                                      : next_ready_within_limits(on, result, request);
    result.next_due = sql::earlier(ready, earliest_of(on, statements::earliest_lease_end));
  }
  result.orphans_waiting = on.integer(statements::has_orphans, 0) != 0;
}

}  // namespace event_relay::sqlite::detail
