// SPDX-License-Identifier: MIT
// The order of events of one key: only its head can be claimed, the others are blocked. A unique index sees to
// it that there is one head at most. Each function runs in the transaction that its caller has opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "event_relay/outbox/event_record.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/event_rows.hpp"

namespace event_relay::sqlite::detail {

// Makes the first event of the key its head, unless one runs or holds the key. True if that changed anything.
inline bool set_head(connection& database, std::string_view key) {
  std::optional<std::int64_t> head;
  bool may_wait = true;
  database.query(
      "SELECT row, state = 0 FROM main.event_relay_events WHERE heads_key = ?",
      [&](const row& at) {
        head = at.integer(0);
        may_wait = at.integer(1) != 0;
      },
      key);
  const std::int64_t none = -1;
  const std::int64_t first =
      database.integer("SELECT min(row) FROM " EVENT_RELAY_BLOCKED " AND ordering_key = ?", none, key);
  if (first == none || !may_wait || (head && *head < first)) {
    return false;
  }
  if (head) {
    database.execute("UPDATE main.event_relay_events SET state = 4, heads_key = NULL WHERE row = ?", *head);
  }
  database.execute("UPDATE main.event_relay_events SET state = 0, heads_key = ordering_key WHERE row = ?", first);
  return true;
}

// Looks at `limit` keys with blocked events, those after `key`, and gives each its head. Returns the last one,
// empty when there are no more.
struct swept {
  std::string to;
  bool freed = false;
};
inline swept sweep(connection& database, std::string key, std::size_t limit) {
  bool freed = false;
  for (std::size_t looked = 0; looked < limit; ++looked) {
    std::string next;
    database.query(
        "SELECT min(ordering_key) FROM " EVENT_RELAY_BLOCKED " AND ordering_key > ?",
        [&](const row& at) { next = at.text(0); }, key);
    key = std::move(next);
    if (key.empty()) {
      break;
    }
    freed = set_head(database, key) || freed;
  }
  return {std::move(key), freed};
}

}  // namespace event_relay::sqlite::detail
