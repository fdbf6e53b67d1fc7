// SPDX-License-Identifier: MIT
// The rules of settling, as statements: an attempt's end is stored under its lease's token, with its history,
// its follow-ups and the handler's own writes, or not at all. The caller has opened the transaction.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/error.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "event_relay/sqlite/event_rows.hpp"
#include "event_relay/sqlite/ordering.hpp"

namespace event_relay::sqlite::detail {

// When a settlement happens, and what is kept of it.
struct settle_rules {
  instant now;
  std::uint32_t failures_kept;
  std::chrono::milliseconds keep_processed;
};

// Of each event the last failures stay. REPLACE: a row's number is used again, and where somebody has removed an event
// behind the library's back, its failures are still there.
inline void keep_failure(connection& database, const settlement<connection>& each, const settle_rules& rules) {
  const std::int64_t number = database.integer(
      "UPDATE main.event_relay_events SET failures = failures + 1 WHERE row = ? RETURNING failures", 0, each.held.row);
  database.execute("INSERT OR REPLACE INTO main.event_relay_failures VALUES (?, ?, ?, ?, ?)", each.held.row, number,
                   each.attempt, integer_of(rules.now), *each.failure);
  database.execute("DELETE FROM main.event_relay_failures WHERE event = ? AND number <= ?", each.held.row,
                   number - rules.failures_kept);
}

// False, and nothing is changed, if the lease is not the event's current one.
inline bool end_lease(connection& database, const settlement<connection>& each, const settle_rules& rules) {
  switch (each.status) {
    case attempt_status::processed:
      if (rules.keep_processed.count() > 0) {
        database.execute(
            "UPDATE main.event_relay_events SET state = 5, kept_until = ?, attempt = ?, leased_until = NULL, "
            "heads_key = NULL WHERE row = ? AND token = ? AND state = 1",
            integer_of(saturating_add(rules.now, rules.keep_processed)), each.attempt, each.held.row, each.held.token);
        break;
      }
      database.execute("DELETE FROM main.event_relay_events WHERE row = ? AND token = ? AND state = 1", each.held.row,
                       each.held.token);
      break;
    case attempt_status::retry_scheduled:
      database.execute(
          "UPDATE main.event_relay_events SET state = 0, available_at = ?, attempt = ?, leased_until = NULL, "
          "crashed = 0 WHERE row = ? AND token = ? AND state = 1",
          integer_of(saturating_add(rules.now, each.delay)), each.attempt, each.held.row, each.held.token);
      break;
    case attempt_status::dead_letter:
      database.execute(
          "UPDATE main.event_relay_events SET state = 3, dead_since = ?, reason = ?, attempt = ?, "
          "leased_until = NULL, crashed = 0, heads_key = iif(?, heads_key, NULL) "
          "WHERE row = ? AND token = ? AND state = 1",
          integer_of(rules.now), wire_name(each.reason), each.attempt, each.key == key_after_dead_letter::held,
          each.held.row, each.held.token);
      break;
  }
  return database.changes() > 0;
}

inline settle_status apply(connection& database, const settlement<connection>& each, const settle_rules& rules) {
  if (!end_lease(database, each, rules)) {
    return settle_status::stale;
  }
  // Who keeps no failures is told of none, and another store may have kept some.
  const bool may_have_history = each.has_history || rules.failures_kept == 0;
  if (each.status == attempt_status::processed && may_have_history && rules.keep_processed.count() == 0) {
    database.execute("DELETE FROM main.event_relay_failures WHERE event = ?", each.held.row);
  }
  if (each.failure && each.status != attempt_status::processed) {
    keep_failure(database, each, rules);
  }
  if (!each.ordering_key.empty()) {
    set_head(database, each.ordering_key);
  }
  for (const event_record& follow_up : each.follow_ups) {
    insert(database.prepared(insertion_of(follow_up)), database.handle(), follow_up, rules.now);
  }
  return settle_status::applied;
}

// A write has ended the transaction of settle, by its own hand or because SQLite does so for what it did
// (ON CONFLICT ROLLBACK, RAISE(ROLLBACK)): nothing of the transaction is left.
struct transaction_ended {
  std::string error;
};

// Throws if what went wrong last is the disk's fault, which is nothing that an attempt can fail for.
inline void require_disk(connection& database, std::string_view said) {
  const int code = sqlite3_extended_errcode(database.handle());
  if (const store_errc cause = cause_of(code); cause == store_errc::storage_full || cause == store_errc::input_output) {
    throw store_error{cause, fmt::format("sqlite, in a handler's write: {} (result code {})", said, code)};
  }
}

// Only a handler's write can fail alone; then it is undone, and the rest of the transaction is not.
inline settle_result settle(connection& database, const settlement<connection>& each, const settle_rules& rules) {
  if (!each.write) {
    return {apply(database, each, rules), {}};
  }
  savepoint this_one{database.handle()};
  const settle_status status = apply(database, each, rules);
  if (status == settle_status::applied) {
    try {
      each.write(database);
    } catch (...) {
      std::string error = event_relay::detail::error_of_write();
      require_disk(database, error);
      if (!this_one.undo()) {
        throw transaction_ended{std::move(error)};
      }
      return {settle_status::write_failed, std::move(error)};
    }
  }
  try {
    this_one.release();
  } catch (const store_error&) {
    // Also where the write began another transaction.
    throw transaction_ended{"a handler's write ended the transaction of settle"};
  }
  return {status, {}};
}

}  // namespace event_relay::sqlite::detail
