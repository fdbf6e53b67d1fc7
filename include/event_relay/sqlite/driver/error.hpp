// SPDX-License-Identifier: MIT
// SQLite's result codes as the outbox's errors, with SQLite's own text.
#pragma once

#include <string_view>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/outbox/store_error.hpp"

namespace event_relay::sqlite {

/// The cause that an (extended) result code stands for.
constexpr store_errc cause_of(int code) {
  if (code == SQLITE_BUSY_SNAPSHOT) {
    return store_errc::stale_snapshot;
  }
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_PROTOCOL:  // a race for the locks of the WAL index
    case SQLITE_LOCKED: return store_errc::busy;
    case SQLITE_FULL: return store_errc::storage_full;
    case SQLITE_READONLY:
    case SQLITE_PERM: return store_errc::read_only;
    case SQLITE_IOERR: return store_errc::input_output;
    case SQLITE_CANTOPEN: return store_errc::cannot_open;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return store_errc::corrupt;
    default: return store_errc::rejected;
  }
}

/// Throws the error that `code` on `database` means; `doing` says in which step. `database` may be null.
[[noreturn]] inline void throw_error(sqlite3* database, int code, std::string_view doing) {
  const int extended = database != nullptr ? sqlite3_extended_errcode(database) : code;
  const int precise = (extended & 0xff) == (code & 0xff) ? extended : code;
  throw store_error{cause_of(precise),
                    fmt::format("sqlite, {}: {} (result code {})", doing,
                                database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code), precise)};
}

}  // namespace event_relay::sqlite
