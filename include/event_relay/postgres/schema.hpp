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
#include "event_relay/postgres/driver/transaction.hpp"
#include "event_relay/postgres/session.hpp"

namespace event_relay::postgres {

namespace detail {

/// Each brings the tables from the version that is its index to the next. One that was released is never changed.
/// The states are the numbers of `event_state`; instants are milliseconds since 1970.
///
/// An event with a key is in the claim's index until a claim finds it behind another of its key; then it is blocked
/// (see ordering.hpp). A key is **taken** while one of its events is leased or an orphan, or is a dead letter
/// that holds it: the unique index sees to it that there is one such event at most.
///
/// The tables change all the time, so they are vacuumed after so many rows, not after a part of them.
inline constexpr std::array<std::string_view, 1> migrations = {R"(
CREATE TABLE {outbox} (
  version integer NOT NULL,
  id uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO {outbox} (version) VALUES (0);
CREATE SEQUENCE {tokens};

CREATE TABLE {events} (
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
  state smallint NOT NULL DEFAULT 0,
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
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
CREATE UNIQUE INDEX {prefix}rows ON {events} (row);
CREATE UNIQUE INDEX {prefix}ids ON {events} (id);
CREATE INDEX {prefix}ready ON {events} (available_at, row) WHERE state = 0;
CREATE INDEX {prefix}ready_by_name ON {events} (name, available_at, row) WHERE state = 0;
CREATE INDEX {prefix}leased ON {events} (leased_until) WHERE state = 1;
CREATE INDEX {prefix}suspects ON {events} (row) WHERE state = 2;
CREATE INDEX {prefix}dead_letters ON {events} (dead_since, row) WHERE state = 3;
CREATE INDEX {prefix}kept ON {events} (kept_until, row) WHERE state = 5;
CREATE INDEX {prefix}waiting ON {events} (ordering_key, row) WHERE ordering_key IS NOT NULL AND state IN (0, 4);
CREATE INDEX {prefix}blocked ON {events} (ordering_key) WHERE state = 4;
CREATE UNIQUE INDEX {prefix}taken ON {events} (ordering_key)
  WHERE ordering_key IS NOT NULL AND (state IN (1, 2) OR holds_key);

CREATE TABLE {failures} (
  event bigint NOT NULL,
  number bigint NOT NULL,
  attempt bigint NOT NULL,
  at bigint NOT NULL,
  text text NOT NULL,
  PRIMARY KEY (event, number)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE {outcomes} (
  name text COLLATE "C" NOT NULL,
  part smallint NOT NULL,
  processed bigint NOT NULL,
  retried bigint NOT NULL,
  dead_lettered bigint NOT NULL,
  PRIMARY KEY (name, part)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
)"};

inline constexpr std::int64_t schema_version = migrations.size();

inline bool has_table(session& on, const outbox_names& names, std::string_view table) {
  return on.integer(
             "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
             "WHERE n.nspname = $1 AND c.relname = $2",
             0, names.schema, names.prefix + std::string{table}) == 1;
}

/// The version of the tables that are there, 0 if none are. Throws store_error for tables that bear the outbox's
/// names and are not its own.
inline std::int64_t version_of(session& on, const outbox_names& names) {
  const auto foreign = [&](std::string_view what) {
    return store_error{store_errc::foreign_schema, fmt::format("postgres: {}", what)};
  };
  const std::array<std::string_view, 3> others{"events", "failures", "outcomes"};
  if (!has_table(on, names, "outbox")) {
    for (const std::string_view table : others) {
      if (has_table(on, names, table)) {
        throw foreign(fmt::format("there is a table {}{} in schema {}, but no {}outbox", names.prefix, table,
                                  names.schema, names.prefix));
      }
    }
    return 0;
  }
  std::int64_t version = 0;
  try {
    version = on.integer("SELECT version FROM {outbox}", 0);
  } catch (const error& unreadable) {
    if (!unreadable.sqlstate().starts_with("42")) {  // no such column, or no table
      throw;
    }
  }
  if (version <= 0) {
    throw foreign(fmt::format("the table {}outbox in schema {} holds no version", names.prefix, names.schema));
  }
  for (const std::string_view table : others) {
    if (version <= schema_version && !has_table(on, names, table)) {
      throw foreign(fmt::format("there is a table {}outbox in schema {}, but no {}{}", names.prefix, names.schema,
                                names.prefix, table));
    }
  }
  return version;
}

inline std::int64_t require_not_newer(std::int64_t version) {
  if (version > schema_version) {
    throw store_error{store_errc::newer_schema,
                      fmt::format("postgres: the outbox's tables have version {}, this event_relay knows up to {}",
                                  version, schema_version)};
  }
  return version;
}

}  // namespace detail

/// Makes the tables, or brings those of an older version forward, in one transaction; leaves those of this version
/// alone. Whoever comes at the same time waits. Throws store_error: newer_schema for a later version's,
/// foreign_schema for somebody else's.
inline void migrate(session& on, const outbox_names& names) {
  {
    const snapshot before_or_after{on.database()};  // of another who makes them at this moment
    if (detail::require_not_newer(detail::version_of(on, names)) == detail::schema_version) {
      return;
    }
  }
  transaction all{on.database()};
  on.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
             fmt::format("event_relay {}.{}", names.schema, names.prefix));
  const std::int64_t version =
      detail::require_not_newer(detail::version_of(on, names));  // another may have been faster
  for (auto step = static_cast<std::size_t>(version); step < detail::migrations.size(); ++step) {
    on.run(detail::migrations[step]);
  }
  on.execute("UPDATE {outbox} SET version = $1", detail::schema_version);
  all.commit();
}

}  // namespace event_relay::postgres
