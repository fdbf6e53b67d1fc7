// SPDX-License-Identifier: MIT
// How an event comes into the table, on a host's connection as on the library's own.
#pragma once

#include <sqlite3.h>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/sql/rows.hpp"
#include "event_relay/sql/statement.hpp"
#include "event_relay/sqlite/driver/statement.hpp"
#include "event_relay/sqlite/statements/settle.hpp"

namespace event_relay::sqlite::detail {

inline const sql::statement& insertion_of(const event_record& record) {
  return record.ordering_key.empty() ? statements::insert_event : statements::insert_keyed_event;
}

/// `prepared` is the statement `insertion_of(record)`. True if the event was inserted, false if its id is there
/// already.
inline bool insert_event(statement& prepared, sqlite3* database, const event_record& record, instant now) {
  prepared.execute(record.id, record.name, record.payload, sql::integer_of(record.occurred_at), record.correlation_id,
                   record.replayed, sql::text_or_null(record.caused_by), sql::text_or_null(record.trace),
                   sql::text_or_null(record.source), sql::text_or_null(record.ordering_key),
                   sql::integer_of(record.available_at.value_or(now)));
  return sqlite3_changes(database) > 0;
}

}  // namespace event_relay::sqlite::detail
