// SPDX-License-Identifier: MIT
// The outbox's tables in the host's database, and how an older version's become this one's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"

namespace event_relay::sqlite {

namespace detail {

/// Each brings the tables from the version that is its index to the next. One that was released is never
/// changed. The states are the numbers of `event_state`; `heads_key` is the ordering key where the event is its
/// key's head, as every keyed event is that is ready, leased or an orphan: so the unique index lets no two of a key
/// be attempted at a time, whoever writes.
inline constexpr std::array<std::string_view, 2> migrations = {R"(
CREATE TABLE event_relay_outbox (
  version INTEGER NOT NULL,
  last_token INTEGER NOT NULL
) STRICT;
INSERT INTO event_relay_outbox VALUES (0, 0);

CREATE TABLE event_relay_events (
  row INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  payload TEXT NOT NULL,
  occurred_at INTEGER NOT NULL,
  correlation_id TEXT NOT NULL,
  replayed INTEGER NOT NULL,
  caused_by TEXT,
  traceparent TEXT,
  source TEXT,
  state INTEGER NOT NULL DEFAULT 0,
  available_at INTEGER NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0,
  token INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  leased_until INTEGER,
  solo INTEGER NOT NULL DEFAULT 0,
  crashed INTEGER NOT NULL DEFAULT 0,
  dead_since INTEGER,
  reason TEXT
) STRICT;
CREATE INDEX event_relay_ready ON event_relay_events (available_at, row) WHERE state = 0;
CREATE INDEX event_relay_leased ON event_relay_events (leased_until) WHERE state = 1;
CREATE INDEX event_relay_suspects ON event_relay_events (row) WHERE state = 2;
CREATE INDEX event_relay_dead_letters ON event_relay_events (dead_since, row) WHERE state = 3;

CREATE TABLE event_relay_failures (
  event INTEGER NOT NULL,
  number INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  at INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (event, number)
) STRICT, WITHOUT ROWID;
)",
                                                               R"(
ALTER TABLE event_relay_events ADD COLUMN ordering_key TEXT;
ALTER TABLE event_relay_events ADD COLUMN heads_key TEXT
  CHECK (heads_key IS ordering_key OR (heads_key IS NULL AND state NOT IN (0, 1, 2)));
ALTER TABLE event_relay_events ADD COLUMN kept_until INTEGER;
CREATE UNIQUE INDEX event_relay_heads ON event_relay_events (heads_key) WHERE heads_key IS NOT NULL;
CREATE INDEX event_relay_blocked ON event_relay_events (ordering_key, row) WHERE state = 4;
CREATE INDEX event_relay_holders ON event_relay_events (heads_key) WHERE state = 3 AND heads_key IS NOT NULL;
CREATE INDEX event_relay_kept ON event_relay_events (kept_until) WHERE state = 5;

CREATE TABLE event_relay_outcomes (
  name TEXT PRIMARY KEY,
  processed INTEGER NOT NULL,
  retried INTEGER NOT NULL,
  dead_lettered INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)"};

inline constexpr std::int64_t schema_version = migrations.size();

/// The version of the tables that are there, 0 if none are. Throws store_error for tables that bear the
/// library's names and are not its own.
inline std::int64_t version_of(connection& database) {
  const auto count = [&](std::string_view table) {
    return database.integer("SELECT count(*) FROM main.sqlite_schema WHERE name = ? COLLATE NOCASE", 0, table);
  };
  if (count("event_relay_outbox") == 0) {
    for (const std::string_view table : {"event_relay_events", "event_relay_failures", "event_relay_outcomes"}) {
      if (count(table) > 0) {
        throw store_error{store_errc::foreign_schema,
                          fmt::format("sqlite: there is a table {}, but no event_relay_outbox", table)};
      }
    }
    return 0;
  }
  try {
    const std::int64_t version = database.integer("SELECT version FROM main.event_relay_outbox", 0);
    if (version > 0) {
      struct made_by {
        std::string_view table;
        std::int64_t version;
      };
      for (const auto& [table, made] :
           {made_by{"event_relay_events", 1}, {"event_relay_failures", 1}, {"event_relay_outcomes", 2}}) {
        if (made <= version && version <= schema_version && count(table) == 0) {
          throw store_error{store_errc::foreign_schema,
                            fmt::format("sqlite: there is a table event_relay_outbox, but no {}", table)};
        }
      }
      return version;
    }
  } catch (const store_error& error) {
    if (error.code() != make_error_code(store_errc::rejected)) {
      throw;
    }
  }
  throw store_error{store_errc::foreign_schema, "sqlite: the table event_relay_outbox holds no version"};
}

}  // namespace detail

/// Makes the tables, or brings those of an older version forward, in one transaction; leaves those of this
/// version alone. Throws store_error: newer_schema for a later version's, foreign_schema for somebody else's.
inline void migrate(connection& database) {
  const auto require_not_newer = [](std::int64_t version) {
    if (version > detail::schema_version) {
      throw store_error{store_errc::newer_schema,
                        fmt::format("sqlite: the outbox's tables have version {}, this event_relay knows up to {}",
                                    version, detail::schema_version)};
    }
    return version;
  };
  if (require_not_newer(detail::version_of(database)) == detail::schema_version) {
    return;
  }
  immediate_transaction transaction{database};
  const std::int64_t version = require_not_newer(detail::version_of(database));  // another may have been faster
  for (auto step = static_cast<std::size_t>(version); step < detail::migrations.size(); ++step) {
    const std::string sql{detail::migrations[step]};
    if (const int code = sqlite3_exec(database.handle(), sql.c_str(), nullptr, nullptr, nullptr); code != SQLITE_OK) {
      throw_error(database.handle(), code, fmt::format("bringing the outbox's tables to version {}", step + 1));
    }
  }
  database.execute("UPDATE main.event_relay_outbox SET version = ?", detail::schema_version);
  transaction.commit();
}

}  // namespace event_relay::sqlite
