// SPDX-License-Identifier: MIT
// The outbox's tables in the host's database, and how an older version's become this one's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/sql/migrations.hpp"
#include "event_relay/sql/statement.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/statements/operate.hpp"

namespace event_relay::sqlite {

namespace detail {

/// Each script brings the tables from the version that is its place to the next. The states stand by their names.
/// `heads_key` is the ordering key where the event is its key's head, as every event with a key is that is ready,
/// leased or an orphan. So the unique index lets no two events of a key be attempted at a time, whatever writes to the
/// table.
inline constexpr std::array<std::string_view, 3> scripts = {R"sql(
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
  state INTEGER NOT NULL DEFAULT :ready,
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
CREATE INDEX event_relay_ready ON event_relay_events (available_at, row) WHERE state = :ready;
CREATE INDEX event_relay_leased ON event_relay_events (leased_until) WHERE state = :leased;
CREATE INDEX event_relay_suspects ON event_relay_events (row) WHERE state = :orphan;
CREATE INDEX event_relay_dead_letters ON event_relay_events (dead_since, row) WHERE state = :dead_letter;

CREATE TABLE event_relay_failures (
  event INTEGER NOT NULL,
  number INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  at INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (event, number)
) STRICT, WITHOUT ROWID;
)sql",
                                                            R"sql(
ALTER TABLE event_relay_events ADD COLUMN ordering_key TEXT;
ALTER TABLE event_relay_events ADD COLUMN heads_key TEXT
  CHECK (heads_key IS ordering_key OR (heads_key IS NULL AND state NOT IN (:ready, :leased, :orphan)));
ALTER TABLE event_relay_events ADD COLUMN kept_until INTEGER;
CREATE UNIQUE INDEX event_relay_heads ON event_relay_events (heads_key) WHERE heads_key IS NOT NULL;
CREATE INDEX event_relay_blocked ON event_relay_events (ordering_key, row) WHERE state = :blocked;
CREATE INDEX event_relay_holders ON event_relay_events (heads_key) WHERE state = :dead_letter AND heads_key IS NOT NULL;
CREATE INDEX event_relay_kept ON event_relay_events (kept_until) WHERE state = :processed;

CREATE TABLE event_relay_outcomes (
  name TEXT PRIMARY KEY,
  processed INTEGER NOT NULL,
  retried INTEGER NOT NULL,
  dead_lettered INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)sql",
                                                            R"sql(
-- The changes of the release after version 2. It has none yet.
)sql"};

inline constexpr std::array tables_since{sql::table_since{"events", 1}, sql::table_since{"failures", 1},
                                         sql::table_since{"outcomes", 2}};
inline constexpr sql::migrations all_migrations{scripts, tables_since};
inline constexpr std::int64_t schema_version = all_migrations.newest();

/// The outbox's tables in one database, as `sql::migrate` deals with them.
class tables {
 public:
  static constexpr std::string_view name = "sqlite";

  explicit tables(connection& database) : database_{database} {}

  bool has_table(std::string_view table) const {
    return database_.integer(statements::has_name.text, 0, shown(table)) > 0;
  }
  std::optional<std::int64_t> stored_version() const {
    try {
      return database_.integer(statements::stored_version.text, 0);
    } catch (const store_error& unreadable) {
      if (unreadable.code() != make_error_code(store_errc::rejected)) {
        throw;
      }
      return std::nullopt;  // there is no such column
    }
  }
  static std::string shown(std::string_view table) { return fmt::format("event_relay_{}", table); }

  template <class Body>
  std::int64_t at_one_instant(Body body) const {
    const read_transaction one_instant{database_};
    return body();
  }
  template <class Body>
  void in_transaction(Body body) const {
    immediate_transaction all{database_};
    body();
    all.commit();
  }
  void run(std::string_view script, std::int64_t version) const {
    database_.run(sql::expanded(script, no_names{}),
                  fmt::format("bringing the outbox's tables to version {}", version));
  }
  void store_version(std::int64_t version) const { database_.execute(statements::store_version.text, version); }

 private:
  connection& database_;
};

}  // namespace detail

/// Makes the tables, or brings those of an older version forward, in one transaction; leaves those of this version
/// alone. Throws store_error: newer_schema for a later version's, foreign_schema for somebody else's.
inline void migrate(connection& database) {
  detail::tables tables{database};
  sql::migrate(tables, detail::all_migrations);
}

}  // namespace event_relay::sqlite
