// SPDX-License-Identifier: MIT
// One of the library's own connections, with the library's statements: each gets its names when it is first run, is
// prepared then, and kept under its name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "event_relay/sql/statement.hpp"
#include "event_relay/sql/statement_cache.hpp"

namespace event_relay::sql {

/// `Connection` prepares (`prepare(name, text)` returns a `prepared_type`), and runs what is prepared
/// (`query(prepared, visit, parameters...)`). `Names` says what the database's own names stand for (`names(name)`).
/// Used by one thread at a time. **Errors**: the connection's.
template <class Connection, class Names>
class session {
 public:
  using row = typename Connection::row_type;

  session(Connection connection, Names names) : connection_{std::move(connection)}, names_{std::move(names)} {}

  Connection& database() { return connection_; }
  const Names& names() const { return names_; }

  /// Runs the statement, calling `visit(row)` for each row; `parameters` take the places of $1 or ?1 and so on.
  template <class Visit, class... Parameters>
  void query(const statement& what, Visit&& visit, const Parameters&... parameters) {
    connection_.query(prepared(what), std::forward<Visit>(visit), parameters...);
  }
  template <class... Parameters>
  void execute(const statement& what, const Parameters&... parameters) {
    query(
        what, [](const row&) {}, parameters...);
  }
  /// The only column of the only row; `otherwise` if there is none, or it is NULL.
  template <class... Parameters>
  std::int64_t integer(const statement& what, std::int64_t otherwise, const Parameters&... parameters) {
    std::int64_t value = otherwise;
    query(
        what, [&](const row& only) { value = only.optional_integer(0).value_or(otherwise); }, parameters...);
    return value;
  }

  /// Runs a script, one or more statements without parameters, which is not kept.
  void run(std::string_view script) { connection_.run(expanded(script, names_)); }

  /// Rows that the last statement inserted, changed or deleted.
  std::int64_t changes() const { return connection_.changes(); }

  typename Connection::prepared_type& prepared(const statement& what) {
    return prepared_.get(what.name, [&] { return connection_.prepare(what.name, expanded(what.text, names_)); });
  }
  /// After the connection has lost them.
  void forget_prepared() { prepared_.clear(); }

 private:
  Connection connection_;
  Names names_;
  statement_cache<typename Connection::prepared_type> prepared_;  // gone before the connection
};

}  // namespace event_relay::sql
