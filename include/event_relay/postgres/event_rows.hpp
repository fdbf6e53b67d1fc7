// SPDX-License-Identifier: MIT
// How an event stands in the table, and comes back from it: the order of its columns is written here alone.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event_relay/core/envelope.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/detail/stored_values.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/postgres/driver/server_clock.hpp"
#include "event_relay/postgres/session.hpp"

namespace event_relay::postgres::detail {

using event_relay::detail::instant_of;
using event_relay::detail::integer_of;
using event_relay::detail::optional_instant;
using event_relay::detail::reason_of;
using event_relay::detail::record_of;
using event_relay::detail::row_limit;

// The time of a statement, whose first parameter is what it is told.
#define EVENT_RELAY_PG_TIME "coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)"

// A wait that the server can add to any instant without an overflow; the sum is held at max_instant there.
inline std::int64_t addable(std::chrono::milliseconds wait) {
  const std::chrono::milliseconds longest = max_instant - min_instant;
  return std::clamp(wait, -longest, longest).count();
}
#define EVENT_RELAY_PG_HELD(sum) "greatest(least(" sum ", 8640000000000000), -8640000000000000)"

// An event that keeps the others of its key from being claimed; as its index says it, so that it is used.
#define EVENT_RELAY_PG_IS_TAKEN(t) #t ".ordering_key IS NOT NULL AND (" #t ".state IN (1, 2) OR " #t ".holds_key)"
// An event with a key that waits for its turn.
#define EVENT_RELAY_PG_IS_WAITING(w) #w ".ordering_key IS NOT NULL AND " #w ".state IN (0, 4)"

// Whether `e`, which waits, has to wait for another of its key: one that took it, or an earlier one.
#define EVENT_RELAY_PG_IS_BEHIND(e)                                                                                  \
  "(EXISTS (SELECT 1 FROM {events} t WHERE t.ordering_key = " #e                                                     \
  ".ordering_key AND " EVENT_RELAY_PG_IS_TAKEN(t) ") OR EXISTS (SELECT 1 FROM {events} w WHERE w.ordering_key = " #e \
                                                  ".ordering_key AND w.row < " #e                                    \
                                                  ".row AND " EVENT_RELAY_PG_IS_WAITING(w) "))"

// What `record_of` reads from `first` on.
#define EVENT_RELAY_PG_RECORD_COLUMNS(e)                                                                 \
#e ".id, " #e ".name, " #e ".payload, " #e ".occurred_at, " #e ".correlation_id, " #e ".replayed, " #e \
     ".caused_by, " #e ".traceparent, " #e ".source, " #e ".ordering_key"

// In the records' order, which is the one in which unnest() gives them. An id that is there already, or twice among
// them, is inserted once at most. The ids of those that were inserted come back.
inline constexpr std::string_view insert_events =
    "INSERT INTO {events} (id, name, payload, occurred_at, correlation_id, replayed, caused_by, traceparent, source, "
    "ordering_key, available_at) SELECT n.id, n.name, n.payload, n.occurred_at, n.correlation_id, n.replayed <> 0, "
    "n.caused_by, n.traceparent, n.source, n.ordering_key, coalesce(n.available_at, (SELECT " EVENT_RELAY_PG_TIME
    ")) FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::text[], "
    "$9::text[], $10::text[], $11::text[], $12::bigint[]) AS n(id, name, payload, occurred_at, correlation_id, "
    "replayed, caused_by, traceparent, source, ordering_key, available_at) ON CONFLICT (id) DO NOTHING RETURNING id";

// The same for events of which there is no more to say, as of most that have no key.
inline constexpr std::string_view insert_plain_events =
    "INSERT INTO {events} (id, name, payload, occurred_at, correlation_id, replayed, available_at) SELECT n.*, false, "
    "(SELECT " EVENT_RELAY_PG_TIME
    ") FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[]) n ON CONFLICT (id) DO NOTHING "
    "RETURNING id";

/// The parameters of these statements but the first.
struct record_columns {
  array ids = array::of_texts();
  array names = array::of_texts();
  array payloads = array::of_texts();
  array occurred_at = array::of_integers();
  array correlation_ids = array::of_texts();
  array replayed = array::of_integers();
  array caused_by = array::of_texts();
  array traces = array::of_texts();
  array sources = array::of_texts();
  array keys = array::of_texts();
  array available_at = array::of_integers();
  bool is_plain = true;

  void add(const event_record& record) {
    ids.add(std::string_view{record.id});
    names.add(std::string_view{record.name});
    payloads.add(std::string_view{record.payload});
    occurred_at.add(integer_of(record.occurred_at));
    correlation_ids.add(std::string_view{record.correlation_id});
    replayed.add(std::int64_t{record.replayed});
    add_text_or_null(caused_by, record.caused_by);
    add_text_or_null(traces, record.trace);
    add_text_or_null(sources, record.source);
    add_text_or_null(keys, record.ordering_key);
    available_at.add(record.available_at ? std::optional{integer_of(*record.available_at)} : std::nullopt);
    is_plain = is_plain && !record.replayed && !record.available_at && record.caused_by.empty() &&
               record.trace.empty() && record.source.empty() && record.ordering_key.empty();
  }

  // Calls `run` with those of `insert_plain_events` if that will do, otherwise of `insert_events`.
  template <class Run>
  void give_to(Run run) const {
    if (is_plain) {
      run(ids, names, payloads, occurred_at, correlation_ids);
    } else {
      run(ids, names, payloads, occurred_at, correlation_ids, replayed, caused_by, traces, sources, keys, available_at);
    }
  }

 private:
  static void add_text_or_null(array& into, const std::string& text) {
    text.empty() ? into.add_null() : into.add(std::string_view{text});
  }
};

// What `stored_event_of` reads. What a claim would find behind another of its key is shown as blocked, although
// none has looked yet.
#define EVENT_RELAY_PG_STORED_COLUMNS \
  "e.row, CASE WHEN e.state = 0 AND e.ordering_key IS NOT NULL AND " EVENT_RELAY_PG_IS_BEHIND(e)                         \
  " THEN 4 ELSE e.state END, e.attempt, e.token, e.available_at, e.leased_until, e.dead_since, e.reason, e.holds_key, " \
  "e.kept_until, " EVENT_RELAY_PG_RECORD_COLUMNS(e)
inline stored_event stored_event_of(const row& at) {
  return {.record = record_of(at, 10),
          .state = static_cast<event_state>(at.integer(1)),
          .attempts = static_cast<attempt_number>(at.integer(2)),
          .token = static_cast<std::uint64_t>(at.integer(3)),
          .available_at = instant_of(at.integer(4)),
          .leased_until = optional_instant(at, 5),
          .reason = reason_of(at.text(7)),
          .dead_since = optional_instant(at, 6),
          .holds_key = at.integer(8) != 0,
          .kept_until = optional_instant(at, 9)};
}

inline failure_record failure_of(const row& at, int first) {
  return {.attempt = static_cast<attempt_number>(at.integer(first)),
          .at = instant_of(at.integer(first + 1)),
          .text = std::string{at.text(first + 2)}};
}

// The history of each event of `rows`, which `events` are, in the same order.
inline void read_failures(session& on, std::span<const std::int64_t> rows, std::span<stored_event> events) {
  array all = array::of_integers();
  std::map<std::int64_t, stored_event*> by_row;
  for (std::size_t each = 0; each < rows.size(); ++each) {
    all.add(rows[each]);
    by_row[rows[each]] = &events[each];
  }
  on.query(
      "SELECT event, attempt, at, text FROM {failures} WHERE event = ANY ($1::bigint[]) ORDER BY event, number",
      [&](const row& at) { by_row.at(at.integer(0))->failures.push_back(failure_of(at, 1)); }, all);
}

// An event to look at, with its history; by one statement, and so as it was at one instant.
inline std::optional<stored_event> find(session& on, std::string_view id) {
  std::optional<stored_event> found;
  on.query(
      "SELECT " EVENT_RELAY_PG_STORED_COLUMNS
      ", f.attempt, f.at, f.text FROM {events} e LEFT JOIN {failures} f ON f.event = e.row WHERE e.id = $1 "
      "ORDER BY f.number",
      [&](const row& at) {
        if (!found) {
          found = stored_event_of(at);
        }
        if (!at.is_null(20)) {
          found->failures.push_back(failure_of(at, 20));
        }
      },
      id);
  return found;
}

}  // namespace event_relay::postgres::detail
