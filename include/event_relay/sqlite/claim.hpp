// SPDX-License-Identifier: MIT
// Claiming: which events are attempted next and by whom, and what becomes of events whose worker has vanished. Each
// function runs in the transaction that its caller has opened.
#pragma once

#include <cstdint>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/sql/rows.hpp"
#include "event_relay/sqlite/claim_limits.hpp"
#include "event_relay/sqlite/driver/row.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/statements/claim.hpp"

namespace event_relay::sqlite::detail {

/// Makes orphans of the events whose lease has expired. An ordinary attempt does not count then, an isolated one counts
/// as failed.
inline void expire_leases(session& on, instant now, std::uint32_t failures_kept) {
  on.execute(statements::record_expired_attempts, sql::integer_of(now));
  on.execute(statements::drop_older_failures_of_expired, sql::integer_of(now), failures_kept);
  on.execute(statements::make_orphans, sql::integer_of(now));
}

/// Leases what `request` asks for, under a token that no claim had before.
inline void claim(session& on, exchange_result& result, const claim_request& request, instant now,
                  std::uint32_t failures_kept) {
  const std::int64_t token = on.integer(statements::next_token, 0);
  const std::int64_t until = sql::integer_of(saturating_add(now, request.length));
  const bool is_isolated = request.kind == claim_kind::orphan;
  const auto take = [&](const row& at) {
    result.claimed.push_back(sql::claimed_event_of(at, is_isolated, failures_kept));
  };
  if (is_isolated) {
    on.query(statements::lease_orphan, take, token, until);
    return;
  }
  if (!request.limits_by_name.empty()) {
    for (const std::int64_t each : ready_within_limits(on, request, now)) {
      on.query(statements::lease_event, take, token, until, each);
    }
    return;
  }
  const std::int64_t limit = sql::row_limit(request.limit);
  on.query(statements::select_ready, take, token, sql::integer_of(now), limit);
  on.execute(statements::lease_ready, token, until, sql::integer_of(now), limit);
}

}  // namespace event_relay::sqlite::detail
