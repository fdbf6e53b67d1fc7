// SPDX-License-Identifier: MIT
// Leases between their claim and their settlement: they are renewed, or released. Each function runs in the transaction
// that its caller has opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/sql/rows.hpp"
#include "event_relay/sqlite/driver/row.hpp"
#include "event_relay/sqlite/key_order.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/statements/settle.hpp"

namespace event_relay::sqlite::detail {

/// False for each lease that is not its event's current one.
inline std::vector<bool> renew(session& on, std::span<const lease> leases, instant until) {
  std::vector<bool> renewed;
  renewed.reserve(leases.size());
  for (const lease& each : leases) {
    on.execute(statements::renew_lease, each.row, each.token, sql::integer_of(until));
    renewed.push_back(on.changes() > 0);
  }
  return renewed;
}

/// Undoes the claims. Returns how many were undone.
inline std::size_t release(session& on, std::span<const lease> leases) {
  std::int64_t released = 0;
  for (const lease& each : leases) {
    std::string key;
    on.query(
        statements::release_lease, [&](const row& at) { key = at.text("heads_key"); }, each.row, each.token);
    released += on.changes();
    if (!key.empty()) {
      set_head(on, key);
    }
  }
  return static_cast<std::size_t>(released);
}

}  // namespace event_relay::sqlite::detail
