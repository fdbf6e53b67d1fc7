// SPDX-License-Identifier: MIT
// How the outbox's tables come to be in a host's database, and an older version's become this one's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "event_relay/outbox/store_error.hpp"

namespace event_relay::sql {

/// One of the outbox's tables, by its short name, and the version that it came with.
struct table_since {
  std::string_view table;
  std::int64_t version;
};

/// All versions of the tables of one database.
struct migrations {
  /// Each script brings the tables from the version that is its place to the next. One that was released is never
  /// changed.
  std::span<const std::string_view> scripts;
  /// The tables besides `outbox`, which holds the version.
  std::span<const table_since> tables;

  constexpr std::int64_t newest() const { return static_cast<std::int64_t>(scripts.size()); }
};

/// The version of the tables that are there, 0 if none are. `Database` tells of them: `has_table(short name)`,
/// `stored_version()` (absent if it cannot be read from what is there), `shown(short name)` for people. Throws
/// store_error: foreign_schema for tables that bear the library's names and are not its own, newer_schema for those
/// of a later version.
template <class Database>
std::int64_t version_of(Database& database, const migrations& known) {
  const auto foreign = [&](std::string_view what) {
    return store_error{store_errc::foreign_schema, fmt::format("{}: {}", Database::name, what)};
  };
  if (!database.has_table("outbox")) {
    for (const table_since& each : known.tables) {
      if (database.has_table(each.table)) {
        throw foreign(
            fmt::format("there is a table {}, but no {}", database.shown(each.table), database.shown("outbox")));
      }
    }
    return 0;
  }
  const std::int64_t version = database.stored_version().value_or(0);
  if (version <= 0) {
    throw foreign(fmt::format("the table {} holds no version", database.shown("outbox")));
  }
  if (version > known.newest()) {
    throw store_error{store_errc::newer_schema,
                      fmt::format("{}: the outbox's tables have version {}, this event_relay knows up to {}",
                                  Database::name, version, known.newest())};
  }
  for (const table_since& each : known.tables) {
    if (each.version <= version && !database.has_table(each.table)) {
      throw foreign(
          fmt::format("there is a table {}, but no {}", database.shown("outbox"), database.shown(each.table)));
    }
  }
  return version;
}

/// Makes the tables, or brings those of an older version forward, in one transaction; leaves those of this version
/// alone. Of several who come at once one does it. `Database` besides: `at_one_instant(body)`, `in_transaction(body)`
/// which lets nobody else migrate meanwhile, `run(script, version)`, `store_version(version)`.
template <class Database>
void migrate(Database& database, const migrations& known) {
  if (database.at_one_instant([&] { return version_of(database, known); }) == known.newest()) {
    return;
  }
  database.in_transaction([&] {
    const std::int64_t version = version_of(database, known);  // another may have been faster
    for (std::int64_t next = version + 1; next <= known.newest(); ++next) {
      database.run(known.scripts[static_cast<std::size_t>(next - 1)], next);
    }
    if (version < known.newest()) {
      database.store_version(known.newest());
    }
  });
}

}  // namespace event_relay::sql
