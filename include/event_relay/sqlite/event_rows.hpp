// SPDX-License-Identifier: MIT
// How an event stands in the table, and comes back from it: the order of its columns is written here alone.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sqlite3.h>

#include "event_relay/core/envelope.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/detail/stored_values.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/statement.hpp"

namespace event_relay::sqlite::detail {

using event_relay::detail::instant_of;
using event_relay::detail::integer_of;
using event_relay::detail::optional_instant;
using event_relay::detail::reason_of;
using event_relay::detail::record_of;
using event_relay::detail::row_limit;

// The events of a state, by their index: what ANALYZE finds in a host's database must not send a statement through
// all rows (https://sqlite.org/lang_indexedby.html).
#define EVENT_RELAY_READY "main.event_relay_events INDEXED BY event_relay_ready WHERE state = 0"
#define EVENT_RELAY_LEASED "main.event_relay_events INDEXED BY event_relay_leased WHERE state = 1"
#define EVENT_RELAY_ORPHANS "main.event_relay_events INDEXED BY event_relay_suspects WHERE state = 2"
#define EVENT_RELAY_DEAD "main.event_relay_events INDEXED BY event_relay_dead_letters WHERE state = 3"
#define EVENT_RELAY_HOLDERS \
  "main.event_relay_events INDEXED BY event_relay_holders WHERE state = 3 AND heads_key IS NOT NULL"
#define EVENT_RELAY_BLOCKED "main.event_relay_events INDEXED BY event_relay_blocked WHERE state = 4"
#define EVENT_RELAY_KEPT "main.event_relay_events INDEXED BY event_relay_kept WHERE state = 5"

// What `record_of` reads from `first` on.
#define EVENT_RELAY_RECORD_COLUMNS                                                             \
  "id, name, payload, occurred_at, correlation_id, replayed, caused_by, traceparent, source, " \
  "ordering_key"

inline constexpr std::string_view insert_event =
    "INSERT INTO main.event_relay_events (" EVENT_RELAY_RECORD_COLUMNS
    ", available_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";

// An event with a key is the head of it, or waits behind those that are there. A held dead letter is a head.
#define EVENT_RELAY_IS_BEHIND                                                 \
  "(EXISTS (SELECT 1 FROM main.event_relay_events WHERE heads_key = ?10) OR " \
  "EXISTS (SELECT 1 FROM " EVENT_RELAY_BLOCKED " AND ordering_key = ?10))"
inline constexpr std::string_view insert_keyed_event =
    "INSERT INTO main.event_relay_events (" EVENT_RELAY_RECORD_COLUMNS
    ", available_at, state, heads_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
    "iif(" EVENT_RELAY_IS_BEHIND ", 4, 0), iif(" EVENT_RELAY_IS_BEHIND ", NULL, ?10)) ON CONFLICT (id) DO NOTHING";

constexpr std::string_view insertion_of(const event_record& record) {
  return record.ordering_key.empty() ? insert_event : insert_keyed_event;
}

// By the statement `insertion_of(record)`. True if it was inserted, false if its id is there.
inline bool insert(statement& prepared, sqlite3* database, const event_record& record, instant now) {
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional<std::string_view>{text};
  };
  prepared.execute(record.id, record.name, record.payload, integer_of(record.occurred_at), record.correlation_id,
                   record.replayed, text_or_null(record.caused_by), text_or_null(record.trace),
                   text_or_null(record.source), text_or_null(record.ordering_key),
                   integer_of(record.available_at.value_or(now)));
  return sqlite3_changes(database) > 0;
}

// What `stored_event_of` reads.
#define EVENT_RELAY_STORED_COLUMNS                                                                      \
  "row, state, attempt, token, available_at, leased_until, dead_since, reason, heads_key IS NOT NULL, " \
  "kept_until, " EVENT_RELAY_RECORD_COLUMNS
inline stored_event stored_event_of(const row& at) {
  const auto state = static_cast<event_state>(at.integer(1));
  return {.record = record_of(at, 10),
          .state = state,
          .attempts = static_cast<attempt_number>(at.integer(2)),
          .token = static_cast<std::uint64_t>(at.integer(3)),
          .available_at = instant_of(at.integer(4)),
          .leased_until = optional_instant(at, 5),
          .reason = reason_of(at.text(7)),
          .dead_since = optional_instant(at, 6),
          .holds_key = state == event_state::dead_letter && at.integer(8) != 0,
          .kept_until = optional_instant(at, 9)};
}

inline void read_failures(connection& database, std::int64_t event, std::vector<failure_record>& into) {
  database.query(
      "SELECT attempt, at, text FROM main.event_relay_failures WHERE event = ? ORDER BY number",
      [&](const row& at) {
        into.push_back({.attempt = static_cast<attempt_number>(at.integer(0)),
                        .at = instant_of(at.integer(1)),
                        .text = std::string{at.text(2)}});
      },
      event);
}

// An event to look at, with its history.
inline std::optional<stored_event> find(connection& database, std::string_view id) {
  std::optional<stored_event> found;
  std::int64_t event = 0;
  database.query(
      "SELECT " EVENT_RELAY_STORED_COLUMNS " FROM main.event_relay_events WHERE id = ?",
      [&](const row& at) {
        event = at.integer(0);
        found = stored_event_of(at);
      },
      id);
  if (found) {
    read_failures(database, event, found->failures);
  }
  return found;
}

}  // namespace event_relay::sqlite::detail
