// SPDX-License-Identifier: MIT
// A connection to a server, with the statements that were prepared on it. The library's own are of this kind; a
// handler's writes are given one; a host may use it for its own tables too.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/conninfo.hpp"
#include "event_relay/postgres/error.hpp"
#include "event_relay/postgres/parameters.hpp"

namespace event_relay::postgres {

/// The columns of the row that a query stands on, counted from 0. A view, valid during the call.
class row {
 public:
  row(const PGresult* result, int at) : result_{result}, at_{at} {}

  bool is_null(int column) const { return PQgetisnull(result_, at_, column) != 0; }
  /// Empty for NULL; of any type, as the server writes it.
  std::string_view text(int column) const {
    return {PQgetvalue(result_, at_, column), static_cast<std::size_t>(PQgetlength(result_, at_, column))};
  }
  /// 0 for NULL and for what is no whole number; 1 for a true boolean.
  std::int64_t integer(int column) const {
    const std::string_view digits = text(column);
    if (digits == "t") {
      return 1;
    }
    std::int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  }
  std::optional<std::int64_t> optional_integer(int column) const {
    return is_null(column) ? std::nullopt : std::optional{integer(column)};
  }
  std::optional<std::string> optional_text(int column) const {
    return is_null(column) ? std::nullopt : std::optional{std::string{text(column)}};
  }

 private:
  const PGresult* result_;
  int at_;
};

/// Used by one thread at a time. For what it does not offer (COPY, large objects), use its `handle()`.
/// **Errors**: `postgres::error`, which is a `store_error`.
class connection {
 public:
  /// Connects; throws cannot_open, or connection_lost where nobody answers.
  explicit connection(const conninfo& to) : handle_{connect(to)} {
    if (PQstatus(handle_.get()) != CONNECTION_OK) {
      throw error{store_errc::cannot_open, to.redacted(fmt::format("postgres, connecting to {}: {}", to.shown(),
                                                                   detail::trimmed(PQerrorMessage(handle_.get()))))};
    }
    PQsetNoticeProcessor(
        handle_.get(), [](void*, const char*) {}, nullptr);  // they are no errors, and stderr is the host's
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
    const detail::parameter_list list{parameters...};
    const std::string& name = prepared(sql);
    const detail::owned_result result{
        PQexecPrepared(handle_.get(), name.c_str(), list.size(), list.values(), list.lengths(), list.formats(), 0)};
    take(result.get(), sql);
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
    take(result.get(), sql);
  }

  /// Rows that the last statement inserted, changed or deleted.
  std::int64_t changes() const { return changes_; }
  bool is_usable() const { return PQstatus(handle_.get()) == CONNECTION_OK && !is_broken_; }
  bool is_in_transaction() const { return PQtransactionStatus(handle_.get()) == PQTRANS_INTRANS; }

 private:
  struct close {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  static PGconn* connect(const conninfo& to) {
    const char* const keywords[] = {"dbname", "fallback_application_name", nullptr};
    const char* const values[] = {to.text().c_str(), "event_relay", nullptr};
    return PQconnectdbParams(keywords, values, 1);
  }

  const std::string& prepared(std::string_view sql) {
    const auto found = names_.find(sql);
    if (found != names_.end()) {
      return found->second;
    }
    const std::string name = fmt::format("event_relay_{}", names_.size());
    const std::string text{sql};
    const detail::owned_result result{PQprepare(handle_.get(), name.c_str(), text.c_str(), 0, nullptr)};
    take(result.get(), sql);
    return names_.emplace(text, name).first->second;
  }

  void take(const PGresult* result, std::string_view sql) {
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      is_broken_ = is_broken_ || PQresultErrorField(result, PG_DIAG_SQLSTATE) == nullptr;
      throw_error(handle_.get(), result, fmt::format("running \"{}\"", shortened(sql)));
    }
    const std::string_view count = PQcmdTuples(const_cast<PGresult*>(result));
    changes_ = 0;
    std::from_chars(count.data(), count.data() + count.size(), changes_);
  }

  static std::string_view shortened(std::string_view sql) { return sql.substr(0, 200); }

  std::unique_ptr<PGconn, close> handle_;
  std::unordered_map<std::string, std::string, text_hash, std::equal_to<>> names_;
  std::int64_t changes_ = 0;
  bool is_broken_ = false;  // whatever libpq says of its status
};

}  // namespace event_relay::postgres
