// SPDX-License-Identifier: MIT
// The outbox's tables in the host's database, in all versions that there were.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "event_relay/postgres/driver/error.hpp"
#include "event_relay/postgres/driver/transaction.hpp"
#include "event_relay/postgres/outbox_names.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/statements.hpp"
#include "event_relay/sql/migrations.hpp"

namespace event_relay::postgres::detail {

/// Instants are milliseconds since 1970. What an ordering key's lock is, and what it means to wait for it, is in
/// statements.hpp; the unique index `taken` sees to it that one event of a key at most holds the lock. An event with a
/// key is in the index `ready` until a claim finds it behind another of its key; then it is blocked (key_order.hpp).
///
/// The tables change all the time, so they are vacuumed after so many rows, not after a part of them.
inline constexpr std::string_view create_tables = R"sql(
CREATE TABLE :outbox (
  version integer NOT NULL,
  id uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO :outbox (version) VALUES (0);
CREATE SEQUENCE :tokens;

CREATE TABLE :events (
  row bigint GENERATED ALWAYS AS IDENTITY,
  id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  payload text NOT NULL,
  occurred_at bigint NOT NULL,
  correlation_id text NOT NULL,
  replayed boolean NOT NULL,
  caused_by text,
  traceparent text,
  source text,
  ordering_key text COLLATE "C",
  state smallint NOT NULL DEFAULT :ready,
  available_at bigint NOT NULL,
  attempt bigint NOT NULL DEFAULT 0,
  token bigint NOT NULL DEFAULT 0,
  failures bigint NOT NULL DEFAULT 0,
  leased_until bigint,
  solo boolean NOT NULL DEFAULT false,
  crashed boolean NOT NULL DEFAULT false,
  holds_key boolean NOT NULL DEFAULT false,
  dead_since bigint,
  reason text,
  kept_until bigint
) WITH (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 10000,
  autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 50000
);
CREATE UNIQUE INDEX :index_rows ON :events (row);
CREATE UNIQUE INDEX :index_ids ON :events (id);
CREATE INDEX :index_ready ON :events (available_at, row) WHERE state = :ready;
CREATE INDEX :index_ready_by_name ON :events (name, available_at, row) WHERE state = :ready;
CREATE INDEX :index_leased ON :events (leased_until) WHERE state = :leased;
CREATE INDEX :index_suspects ON :events (row) WHERE state = :orphan;
CREATE INDEX :index_dead_letters ON :events (dead_since, row) WHERE state = :dead_letter;
CREATE INDEX :index_kept ON :events (kept_until, row) WHERE state = :processed;
CREATE INDEX :index_waiting ON :events (ordering_key, row)
  WHERE ordering_key IS NOT NULL AND state IN (:ready, :blocked);
CREATE INDEX :index_blocked ON :events (ordering_key) WHERE state = :blocked;
CREATE UNIQUE INDEX :index_taken ON :events (ordering_key)
  WHERE ordering_key IS NOT NULL AND (state IN (:leased, :orphan) OR holds_key);

CREATE TABLE :failures (
  event bigint NOT NULL,
  number bigint NOT NULL,
  attempt bigint NOT NULL,
  at bigint NOT NULL,
  text text NOT NULL,
  PRIMARY KEY (event, number)
) WITH (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 10000,
  autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE :outcomes (
  name text COLLATE "C" NOT NULL,
  part smallint NOT NULL,
  processed bigint NOT NULL,
  retried bigint NOT NULL,
  dead_lettered bigint NOT NULL,
  PRIMARY KEY (name, part)
) WITH (
  fillfactor = 20,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);
)sql";

/// Version 2 is not released yet. Until it is, everything that its tables need is added to this script, so that there
/// is one way from version 1 to it. So far it changes nothing; the SELECT is there because PostgreSQL takes no empty
/// script.
inline constexpr std::string_view change_tables_to_2 = R"sql(
SELECT;
)sql";

inline constexpr std::array migration_scripts{create_tables, change_tables_to_2};
inline constexpr std::int64_t schema_version = migration_scripts.size();
inline constexpr std::array tables_since{sql::table_since{"events", 1}, sql::table_since{"failures", 1},
                                         sql::table_since{"outcomes", 1}};
inline constexpr sql::migrations all_migrations{migration_scripts, tables_since};

/// The tables of one outbox, for `sql::migrate`.
class tables {
 public:
  static constexpr std::string_view name = "postgres";

  explicit tables(session& on) : on_{on} {}

  bool has_table(std::string_view table) {
    const outbox_names& names = on_.names().names();
    return on_.integer(statements::find_table, 0, names.schema, names.prefix + std::string{table}) == 1;
  }

  /// Absent where the table `outbox` is not the library's.
  std::optional<std::int64_t> stored_version() {
    std::optional<std::int64_t> version;
    try {
      on_.query(statements::read_version, [&](const row& at) { version = at.optional_integer("version"); });
    } catch (const error& unreadable) {
      if (!unreadable.sqlstate().starts_with("42")) {  // no such column, or no table
        throw;
      }
    }
    return version;
  }

  std::string shown(std::string_view table) const {
    const outbox_names& names = on_.names().names();
    return fmt::format("{}{} in schema {}", names.prefix, table, names.schema);
  }

  /// Sees all tables of another who makes them at this moment, or none.
  template <class Body>
  auto at_one_instant(Body body) {
    const snapshot one_instant{on_.database()};
    return body();
  }

  template <class Body>
  void in_transaction(Body body) {
    transaction all{on_.database()};
    const outbox_names& names = on_.names().names();
    on_.execute(statements::lock_migration, fmt::format("event_relay {}.{}", names.schema, names.prefix));
    body();
    all.commit();
  }

  void run(std::string_view script, std::int64_t) { on_.run(script); }
  void store_version(std::int64_t version) { on_.execute(statements::store_version, version); }

 private:
  session& on_;
};

}  // namespace event_relay::postgres::detail
