// SPDX-License-Identifier: MIT
// A connection to a database file, with the statements that were prepared on it. The library's own connections are of
// this kind; a handler's writes are given one; a host may use it for its own tables too.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/sql/statement_cache.hpp"
#include "event_relay/sqlite/driver/error.hpp"
#include "event_relay/sqlite/driver/row.hpp"
#include "event_relay/sqlite/driver/statement.hpp"

namespace event_relay::sqlite {

/// How sure a commit is when it returns (https://sqlite.org/pragma.html#pragma_synchronous), in WAL mode.
enum class synchronous {
  full,    ///< it survives the loss of power
  normal,  ///< it survives the end of the process; the last ones may be lost with the power, none half
};

/// Used by one thread at a time. For what it does not offer (blobs, functions), use its `handle()`.
/// **Errors**: `store_error`.
class connection {
 public:
  using row_type = row;
  using prepared_type = statement;

  /// Opens the file, and makes it if it is not there. Statements that find the database locked wait up to
  /// `busy_timeout`.
  connection(const std::string& path, std::chrono::milliseconds busy_timeout) {
    sqlite3* opened = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &opened,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    handle_.reset(opened);
    if (code != SQLITE_OK) {
      throw_error(opened, code, fmt::format("opening {}", path));
    }
    sqlite3_extended_result_codes(opened, 1);
    const auto longest = std::chrono::milliseconds{(std::numeric_limits<int>::max)()};
    sqlite3_busy_timeout(opened, static_cast<int>((std::min)(busy_timeout, longest).count()));
  }

  sqlite3* handle() const { return handle_.get(); }

  /// Runs one statement; `parameters` take the places of its "?" in order, or of ?1, ?2 and so on. It is prepared once
  /// and kept under its text for as long as the connection, so give values as parameters, not in the text.
  template <parameter... Parameters>
  void execute(std::string_view sql, const Parameters&... parameters) {
    prepared(sql).execute(parameters...);
  }

  /// The same, calling `visit(row)` for each row.
  template <class Visit, parameter... Parameters>
  void query(std::string_view sql, Visit&& visit, const Parameters&... parameters) {
    prepared(sql).query(std::forward<Visit>(visit), parameters...);
  }

  /// The first column of the first row; `otherwise` if there is none, or it is NULL.
  template <parameter... Parameters>
  std::int64_t integer(std::string_view sql, std::int64_t otherwise, const Parameters&... parameters) {
    std::int64_t value = otherwise;
    query(
        sql, [&](const row& each) { value = each.optional_integer(0).value_or(otherwise); }, parameters...);
    return value;
  }

  /// Rows that the last statement inserted, changed or deleted.
  std::int64_t changes() const { return sqlite3_changes64(handle_.get()); }
  bool is_in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }

  statement& prepared(std::string_view sql) {
    return statements_.get(sql, [&] { return statement{handle_.get(), sql}; });
  }

  /// A statement that the caller keeps, and drops before the connection goes; errors show its name.
  statement prepare(std::string_view name, std::string_view sql) const { return {handle_.get(), sql, name}; }
  template <class Visit, parameter... Parameters>
  void query(statement& prepared, Visit&& visit, const Parameters&... parameters) {
    prepared.query(std::forward<Visit>(visit), parameters...);
  }

  /// Runs a script: one statement or several, without parameters and rows. `doing` says in errors which step that is.
  void run(const std::string& script, std::string_view doing = "running a script") {
    if (const int code = sqlite3_exec(handle_.get(), script.c_str(), nullptr, nullptr, nullptr); code != SQLITE_OK) {
      throw_error(handle_.get(), code, doing);
    }
  }

 private:
  struct close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };

  std::unique_ptr<sqlite3, close> handle_;
  sql::statement_cache<statement> statements_;  // finalized before the close
};

}  // namespace event_relay::sqlite
