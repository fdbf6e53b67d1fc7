// SPDX-License-Identifier: MIT
// What becomes of leases between claim and settle, as statements. Each function runs in the transaction that its
// caller has opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/event_rows.hpp"
#include "event_relay/sqlite/ordering.hpp"

namespace event_relay::sqlite::detail {

inline std::vector<bool> renew(connection& database, std::span<const lease> leases, instant until) {
  std::vector<bool> renewed;
  renewed.reserve(leases.size());
  for (const lease& each : leases) {
    database.execute("UPDATE main.event_relay_events SET leased_until = ? WHERE row = ? AND token = ? AND state = 1",
                     integer_of(until), each.row, each.token);
    renewed.push_back(database.changes() > 0);
  }
  return renewed;
}

// Returns how many were undone.
inline std::size_t release(connection& database, std::span<const lease> leases) {
  std::int64_t released = 0;
  for (const lease& each : leases) {
    std::string key;
    database.query(
        "UPDATE main.event_relay_events SET state = iif(solo, 2, 0), attempt = attempt - 1, leased_until = NULL "
        "WHERE row = ? AND token = ? AND state = 1 RETURNING heads_key",
        [&](const row& at) { key = at.text(0); }, each.row, each.token);
    released += database.changes();
    if (!key.empty()) {
      set_head(database, key);
    }
  }
  return static_cast<std::size_t>(released);
}

}  // namespace event_relay::sqlite::detail
