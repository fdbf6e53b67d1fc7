// SPDX-License-Identifier: MIT
// What a store demands of its path before it makes tables there: it names a file, which can be written and is in WAL
// mode.
#pragma once

#include <string>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"

namespace event_relay::sqlite::detail {

inline const std::string& require_file(const std::string& path) {
  if (path.empty() || path == ":memory:" || path.starts_with("file:")) {
    throw store_error{store_errc::in_memory,
                      fmt::format("sqlite: \"{}\" names no file; an outbox must outlive its process, so give the plain "
                                  "path of a file",
                                  path)};
  }
  return path;
}

inline void set_wal_mode(connection& database, const std::string& path) {
  database.query("PRAGMA journal_mode = WAL", [&](const row& mode) {
    if (mode.text(0) != "wal") {
      throw store_error{store_errc::rejected,
                        fmt::format("sqlite: {} cannot be put into WAL mode, it stays in {}", path, mode.text(0))};
    }
  });
}

// While another connection changes the mode too, SQLite reports "busy" at once, whatever the timeout is. A write
// transaction waits for that connection; then the next try can succeed.
inline void enter_wal_mode(connection& database, const std::string& path) {
  constexpr int tries = 10;
  for (int tried = 1;; ++tried) {
    try {
      return set_wal_mode(database, path);
    } catch (const store_error& error) {
      if (tried == tries || error.code() != make_error_code(store_errc::busy)) {
        throw;
      }
    }
    const immediate_transaction after_the_other{database};
  }
}

inline void require_writable(connection& database, const std::string& path) {
  if (sqlite3_db_readonly(database.handle(), "main") == 1) {
    throw store_error{store_errc::read_only, fmt::format("sqlite: {} can only be read", path)};
  }
}

}  // namespace event_relay::sqlite::detail
