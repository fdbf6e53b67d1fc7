// SPDX-License-Identifier: MIT
// A write transaction, a part of one that can be undone alone, and a transaction that only reads.
#pragma once

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/error.hpp"
#include "event_relay/sqlite/driver/write_queue.hpp"

namespace event_relay::sqlite {

namespace detail {

inline void run(sqlite3* database, const char* sql) {
  if (const int code = sqlite3_exec(database, sql, nullptr, nullptr, nullptr); code != SQLITE_OK) {
    throw_error(database, code, fmt::format("running \"{}\"", sql));
  }
}

}  // namespace detail

/// A write transaction, from BEGIN IMMEDIATE to `commit`, or to a rollback if it is destroyed before. It holds the
/// write lock from its start, and so cannot fail half-way with a stale snapshot, as a transaction can which reads
/// first. It is for the library's connections and for a host's: those of one process write in the order in which they
/// came (`write_turn`). Throws store_error.
class immediate_transaction {
 public:
  explicit immediate_transaction(sqlite3* database) : database_{database}, turn_{database} {
    detail::run(database, "BEGIN IMMEDIATE");
  }
  explicit immediate_transaction(connection& on) : immediate_transaction{on.handle()} {}
  ~immediate_transaction() {
    if (is_open_ && sqlite3_get_autocommit(database_) == 0) {
      sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
    }
  }
  immediate_transaction(const immediate_transaction&) = delete;
  immediate_transaction& operator=(const immediate_transaction&) = delete;

  /// If it throws, the destructor rolls back.
  void commit() {
    detail::run(database_, "COMMIT");
    is_open_ = false;
    turn_.end();
  }

 private:
  sqlite3* database_;
  write_turn turn_;
  bool is_open_ = true;
};

/// A part of an open transaction, which is undone if the savepoint is destroyed before `release`. Throws store_error.
class savepoint {
 public:
  explicit savepoint(sqlite3* database) : database_{database} { detail::run(database, "SAVEPOINT event_relay"); }
  ~savepoint() {
    if (is_open_ && sqlite3_get_autocommit(database_) == 0) {
      undo();
    }
  }
  savepoint(const savepoint&) = delete;
  savepoint& operator=(const savepoint&) = delete;

  /// Undoes the part. False if the savepoint does not exist any more, because its transaction has ended.
  bool undo() {
    is_open_ = false;
    return sqlite3_exec(database_, "ROLLBACK TO event_relay; RELEASE event_relay", nullptr, nullptr, nullptr) ==
           SQLITE_OK;
  }

  void release() {
    detail::run(database_, "RELEASE event_relay");
    is_open_ = false;
  }

 private:
  sqlite3* database_;
  bool is_open_ = true;
};

/// All that is read in it is the database as it was at its first statement. It changes nothing.
class read_transaction {
 public:
  explicit read_transaction(connection& database) : database_{database} { database.execute("BEGIN"); }
  ~read_transaction() { sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr); }
  read_transaction(const read_transaction&) = delete;
  read_transaction& operator=(const read_transaction&) = delete;

 private:
  connection& database_;
};

}  // namespace event_relay::sqlite
