// SPDX-License-Identifier: MIT
// The order of events of one key: only the key's head can be claimed, the others are blocked. A unique index allows no
// second head. The function runs in the transaction that its caller has opened.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "event_relay/sqlite/driver/row.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/statements/settle.hpp"

namespace event_relay::sqlite::detail {

/// Makes the first event of the key its head, unless one is attempted or holds the key. True if that changed anything.
inline bool set_head(session& on, std::string_view key) {
  std::optional<std::int64_t> head;
  bool may_wait = true;
  on.query(
      statements::head_of_key,
      [&](const row& at) {
        head = at.integer("row");
        may_wait = at.integer("is_ready") != 0;
      },
      key);
  const std::int64_t none = -1;
  const std::int64_t first = on.integer(statements::first_blocked_of_key, none, key);
  if (first == none || !may_wait || (head && *head < first)) {
    return false;
  }
  if (head) {
    on.execute(statements::block_event, *head);
  }
  on.execute(statements::make_head, first);
  return true;
}

}  // namespace event_relay::sqlite::detail
