// SPDX-License-Identifier: MIT
// Settling: an attempt's end is stored under its lease's token, with its history, its follow-ups and the handler's own
// writes, or not at all. The caller has opened the transaction.
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
#include "event_relay/sql/rows.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/error.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "event_relay/sqlite/insert_event.hpp"
#include "event_relay/sqlite/key_order.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/statements/settle.hpp"

namespace event_relay::sqlite::detail {

/// When a settlement happens, and what is kept of it.
struct settle_rules {
  instant now;
  std::uint32_t failures_kept;
  std::chrono::milliseconds keep_processed;
};

/// Adds the failure to the event's history, of which the last ones stay.
inline void keep_failure(session& on, const settlement<connection>& each, const settle_rules& rules) {
  const std::int64_t number = on.integer(statements::count_failure, 0, each.held.row);
  on.execute(statements::add_failure, each.held.row, number, each.attempt, sql::integer_of(rules.now), *each.failure);
  on.execute(statements::drop_older_failures, each.held.row, number - rules.failures_kept);
}

/// False, and nothing is changed, if the lease is not the event's current one.
inline bool end_lease(session& on, const settlement<connection>& each, const settle_rules& rules) {
  const auto [row, token] = each.held;
  switch (each.status) {
    case attempt_status::processed:
      if (rules.keep_processed.count() > 0) {
        on.execute(statements::keep_processed, row, token, each.attempt,
                   sql::integer_of(saturating_add(rules.now, rules.keep_processed)));
      } else {
        on.execute(statements::delete_processed, row, token);
      }
      break;
    case attempt_status::retry_scheduled:
      on.execute(statements::schedule_retry, row, token, each.attempt,
                 sql::integer_of(saturating_add(rules.now, each.delay)));
      break;
    case attempt_status::dead_letter:
      on.execute(statements::make_dead_letter, row, token, each.attempt, sql::integer_of(rules.now),
                 wire_name(each.reason), each.key == key_after_dead_letter::held);
      break;
  }
  return on.changes() > 0;
}

inline settle_status apply(session& on, const settlement<connection>& each, const settle_rules& rules) {
  if (!end_lease(on, each, rules)) {
    return settle_status::stale;
  }
  // A store that keeps no failures gets no history; another store may have kept some in the same file.
  const bool may_have_history = each.has_history || rules.failures_kept == 0;
  if (each.status == attempt_status::processed && may_have_history && rules.keep_processed.count() == 0) {
    on.execute(statements::drop_failures, each.held.row);
  }
  if (each.failure && each.status != attempt_status::processed) {
    keep_failure(on, each, rules);
  }
  if (!each.ordering_key.empty()) {
    set_head(on, each.ordering_key);
  }
  for (const event_record& follow_up : each.follow_ups) {
    insert_event(on.prepared(insertion_of(follow_up)), on.database().handle(), follow_up, rules.now);
  }
  return settle_status::applied;
}

/// Thrown where a write has ended the transaction of settle: it did so itself, or SQLite did it for one of its
/// statements (ON CONFLICT ROLLBACK, RAISE(ROLLBACK)). Nothing of the transaction is left.
struct transaction_ended {
  std::string error;
};

/// Throws if what went wrong last is the disk's fault, for which no attempt fails.
inline void require_disk(connection& database, std::string_view said) {
  const int code = sqlite3_extended_errcode(database.handle());
  if (const store_errc cause = cause_of(code); cause == store_errc::storage_full || cause == store_errc::input_output) {
    throw store_error{cause, fmt::format("sqlite, in a handler's write: {} (result code {})", said, code)};
  }
}

/// If the handler's write fails, this settlement alone is undone. The rest of the transaction stays.
inline settle_result settle(session& on, const settlement<connection>& each, const settle_rules& rules) {
  if (!each.write) {
    return {apply(on, each, rules), {}};
  }
  connection& database = on.database();
  savepoint this_one{database.handle()};
  const settle_status status = apply(on, each, rules);
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
