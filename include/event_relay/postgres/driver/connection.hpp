// SPDX-License-Identifier: MIT
// A connection to a server, with the statements that were prepared on it. The library's own connections are of this
// kind; a handler's writes are given one; a host may use it for its own tables too.
#pragma once

#include <charconv>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/driver/conninfo.hpp"
#include "event_relay/postgres/driver/error.hpp"
#include "event_relay/postgres/driver/parameters.hpp"
#include "event_relay/postgres/driver/row.hpp"
#include "event_relay/sql/statement_cache.hpp"

namespace event_relay::postgres {

/// A statement that was prepared on a connection.
struct prepared_statement {
  /// The server's name for it (`pg_prepared_statements`).
  std::string name;
  /// What an error calls it.
  std::string shown;
};

/// Used by one thread at a time. For what it does not offer (COPY, large objects), use its `handle()`.
/// **Errors**: `postgres::error`, which is a `store_error`.
class connection {
 public:
  using row_type = row;
  using prepared_type = prepared_statement;

  /// Connects; throws cannot_open where that fails.
  explicit connection(const conninfo& to) : handle_{connect(to)} {
    if (PQstatus(handle_.get()) != CONNECTION_OK) {
      throw error{store_errc::cannot_open, to.redacted(fmt::format("postgres, connecting to {}: {}", to.shown(),
                                                                   detail::trimmed(PQerrorMessage(handle_.get()))))};
    }
    // Notices are no errors, and libpq would write them to stderr, which is the host's.
    PQsetNoticeProcessor(
        handle_.get(), [](void*, const char*) {}, nullptr);
  }

  PGconn* handle() const { return handle_.get(); }

  /// Runs one statement; `parameters` take the places of $1, $2 and so on. It is prepared once and kept under its
  /// text for as long as the connection, so give values as parameters, not in the text.
  template <parameter... Parameters>
  void execute(std::string_view sql, const Parameters&... parameters) {
    query(
        sql, [](const row&) {}, parameters...);
  }

  /// The same, calling `visit(row)` for each row.
  template <class Visit, parameter... Parameters>
  void query(std::string_view sql, Visit&& visit, const Parameters&... parameters) {
    query(prepared(sql), std::forward<Visit>(visit), parameters...);
  }

  /// Runs a statement that `prepare` has returned, calling `visit(row)` for each row.
  template <class Visit, parameter... Parameters>
  void query(const prepared_statement& what, Visit&& visit, const Parameters&... parameters) {
    const detail::parameter_list list{parameters...};
    const detail::owned_result result{PQexecPrepared(handle_.get(), what.name.c_str(), list.size(), list.values(),
                                                     list.lengths(), list.formats(), 0)};
    take(result.get(), what.shown);
    for (int at = 0; at < PQntuples(result.get()); ++at) {
      visit(row{result.get(), at});
    }
  }

  /// The first column of the first row; `otherwise` if there is none, or it is NULL.
  template <parameter... Parameters>
  std::int64_t integer(std::string_view sql, std::int64_t otherwise, const Parameters&... parameters) {
    std::int64_t value = otherwise;
    query(
        sql, [&](const row& each) { value = each.optional_integer(0).value_or(otherwise); }, parameters...);
    return value;
  }

  /// Runs one or more statements without parameters, unprepared: BEGIN, SET, CREATE.
  void run(std::string_view sql) {
    const std::string text{sql};
    const detail::owned_result result{PQexec(handle_.get(), text.c_str())};
    take(result.get(), quoted(sql));
  }

  /// Prepares `sql` as the server's statement event_relay_`name`. The name must be unique on this connection, and is
  /// no number: those are for the texts that `execute` and `query` prepare by themselves.
  prepared_statement prepare(std::string_view name, std::string_view sql) {
    std::string full = fmt::format("event_relay_{}", name);
    return prepare_as({full, full}, sql);
  }

  /// Rows that the last statement inserted, changed or deleted.
  std::int64_t changes() const { return changes_; }
  bool is_usable() const { return PQstatus(handle_.get()) == CONNECTION_OK && !is_broken_; }
  bool is_in_transaction() const { return PQtransactionStatus(handle_.get()) == PQTRANS_INTRANS; }

 private:
  struct close {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  static PGconn* connect(const conninfo& to) {
    const char* const keywords[] = {"dbname", "fallback_application_name", nullptr};
    const char* const values[] = {to.text().c_str(), "event_relay", nullptr};
    return PQconnectdbParams(keywords, values, 1);
  }

  const prepared_statement& prepared(std::string_view sql) {
    return prepared_.get(sql, [&] {
      return prepare_as({fmt::format("event_relay_{}", prepared_.size()), quoted(sql)}, sql);
    });
  }

  prepared_statement prepare_as(prepared_statement what, std::string_view sql) {
    const std::string text{sql};
    const detail::owned_result result{PQprepare(handle_.get(), what.name.c_str(), text.c_str(), 0, nullptr)};
    take(result.get(), what.shown);
    return what;
  }

  void take(const PGresult* result, std::string_view shown) {
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      is_broken_ = is_broken_ || PQresultErrorField(result, PG_DIAG_SQLSTATE) == nullptr;
      throw_error(handle_.get(), result, fmt::format("running {}", shown));
    }
    const std::string_view count = PQcmdTuples(const_cast<PGresult*>(result));
    changes_ = 0;
    std::from_chars(count.data(), count.data() + count.size(), changes_);
  }

  static std::string quoted(std::string_view sql) { return fmt::format("\"{}\"", sql.substr(0, 200)); }

  std::unique_ptr<PGconn, close> handle_;
  sql::statement_cache<prepared_statement> prepared_;  // the hosts' texts
  std::int64_t changes_ = 0;
  bool is_broken_ = false;  // whatever libpq says of its status
};

}  // namespace event_relay::postgres
