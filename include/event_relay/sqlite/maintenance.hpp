// SPDX-License-Identifier: MIT
// What a store does between the attempts, a part at a time: it repairs the order of keys, and deletes processed events
// which were kept for their time. Each function runs in the transaction that its caller has opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "event_relay/core/instant.hpp"
#include "event_relay/sql/rows.hpp"
#include "event_relay/sqlite/driver/row.hpp"
#include "event_relay/sqlite/key_order.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/statements/operate.hpp"

namespace event_relay::sqlite::detail {

struct swept {
  /// The last key that was looked at; empty if there are no more.
  std::string to;
  bool has_freed = false;
};

/// Looks at `limit` keys with blocked events, those after `key`, and gives each its head.
inline swept sweep_keys(session& on, std::string key, std::size_t limit) {
  bool has_freed = false;
  for (std::size_t seen = 0; seen < limit; ++seen) {
    std::string next;
    on.query(
        statements::next_blocked_key, [&](const row& at) { next = at.text("next_key"); }, key);
    key = std::move(next);
    if (key.empty()) {
      break;
    }
    has_freed = set_head(on, key) || has_freed;
  }
  return {std::move(key), has_freed};
}

/// Deletes at most `limit` processed events whose time is over. True if it deleted as many, so that there may be more.
inline bool delete_kept(session& on, instant now, std::size_t limit) {
  const std::int64_t at = sql::integer_of(now);
  const std::int64_t most = sql::row_limit(limit);
  on.execute(statements::drop_failures_of_kept, at, most);
  on.execute(statements::delete_kept, at, most);
  return most > 0 && on.changes() == most;
}

}  // namespace event_relay::sqlite::detail
