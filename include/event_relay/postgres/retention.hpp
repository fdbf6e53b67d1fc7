// SPDX-License-Identifier: MIT
// Processed events that are kept are deleted when their time is over, a few at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "event_relay/postgres/driver/server_clock.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/statements.hpp"
#include "event_relay/sql/rows.hpp"

namespace event_relay::postgres::detail {

/// Runs in the transaction that its caller has opened. True if `limit` were deleted, so that there may be more.
inline bool delete_kept(session& on, const clock_override& time, std::size_t limit) {
  const std::int64_t deleted = on.integer(statements::delete_kept, 0, time, sql::row_limit(limit));
  return limit > 0 && deleted == sql::row_limit(limit);
}

}  // namespace event_relay::postgres::detail
