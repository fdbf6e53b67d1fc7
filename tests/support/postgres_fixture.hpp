// SPDX-License-Identifier: MIT
// The store in PostgreSQL, as the contracts of stores want it: on the server that tests/postgres/with_server.sh has
// started, in tables that are used again by one test after the other.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "event_relay/postgres/store.hpp"
#include "event_relay/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace event_relay_test {

inline std::string test_server() {
  const char* const given = std::getenv("EVENT_RELAY_TEST_POSTGRES");
  if (given == nullptr) {
    throw std::runtime_error("EVENT_RELAY_TEST_POSTGRES names no server; run by tests/postgres/with_server.sh");
  }
  return given;
}

/// A host's own connection.
class host_session {
 public:
  explicit host_session(const std::string& conninfo = test_server()) : handle_{PQconnectdb(conninfo.c_str())} {
    REQUIRE(PQstatus(handle_) == CONNECTION_OK);
    PQsetNoticeProcessor(
        handle_, [](void*, const char*) {}, nullptr);
  }
  ~host_session() { PQfinish(handle_); }
  host_session(const host_session&) = delete;
  host_session& operator=(const host_session&) = delete;

  PGconn* get() const { return handle_; }
  /// The first column of all rows; an error's SQLSTATE if it fails.
  std::vector<std::string> run(const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result{PQexec(handle_, sql.c_str()), PQclear};
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK && PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
      const char* const state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
      return {state != nullptr ? state : "lost"};
    }
    std::vector<std::string> texts;
    for (int at = 0; at < PQntuples(result.get()); ++at) {
      texts.emplace_back(PQgetvalue(result.get(), at, 0));
    }
    return texts;
  }

 private:
  PGconn* handle_;
};

/// Names of tables that no other test of this process uses at the same time.
class borrowed_prefix {
 public:
  borrowed_prefix() : number_{take()} {}
  ~borrowed_prefix() { used()[number_] = false; }
  borrowed_prefix(const borrowed_prefix&) = delete;
  borrowed_prefix& operator=(const borrowed_prefix&) = delete;

  std::string text() const { return fmt::format("test_{}_{}_", getpid(), number_); }

 private:
  static std::vector<bool>& used() {
    static std::vector<bool> all;
    return all;
  }
  static std::size_t take() {
    std::size_t free = 0;
    while (free < used().size() && used()[free]) {
      ++free;
    }
    used().resize(std::max(used().size(), free + 1));
    used()[free] = true;
    return free;
  }

  std::size_t number_;
};

template <event_relay::clock Clock = event_relay::testing::manual_clock>
class postgres_fixture_of {
 public:
  using store_type = event_relay::postgres::store<Clock>;
  static constexpr bool keeps_text_only = true;

  explicit postgres_fixture_of(std::uint32_t failures_kept = 10, std::chrono::milliseconds keep_processed = {})
      : options_{.names = {.schema = "public", .prefix = prefix_.text()},
                 .failures_kept = failures_kept,
                 .keep_processed = keep_processed,
                 .hints = event_relay::postgres::wake_ups::polling} {
    open_store();
    sql_.run(with_names("CREATE TABLE IF NOT EXISTS @texts (number serial, text text)"));
    sql_.run(with_names("TRUNCATE @events, @failures, @outcomes, @texts RESTART IDENTITY"));
  }

  store_type& store() { return *store_; }
  Clock& clock() { return clock_; }
  PGconn* host() { return sql_.get(); }
  void begin() { sql_.run("BEGIN"); }
  void commit() { sql_.run("COMMIT"); }
  void rollback() { sql_.run("ROLLBACK"); }

  static void leave(event_relay::postgres::connection& writes, const std::string& text) {
    // The write knows the connection only; its fixture's table is the one that the last store was opened beside.
    writes.execute(fmt::format("INSERT INTO {}texts (text) VALUES ($1)", last_prefix()), text);
  }
  std::vector<std::string> written() { return sql_.run(with_names("SELECT text FROM @texts ORDER BY number")); }

  // ---- PostgreSQL's alone ----

  host_session& sql() { return sql_; }
  std::string prefix() const { return prefix_.text(); }
  /// "@events" is the outbox's table.
  std::string with_names(std::string sql) const {
    for (std::size_t at = sql.find('@'); at != std::string::npos; at = sql.find('@', at)) {
      sql.replace(at, 1, prefix_.text());
    }
    return sql;
  }
  void close_store() { store_.reset(); }
  void open_store() {
    last_prefix() = prefix_.text();
    store_.emplace(test_server(), options_, clock_);
  }
  event_relay::postgres::store_options& options() { return options_; }

 private:
  static std::string& last_prefix() {
    static std::string prefix;
    return prefix;
  }
  static Clock fresh_clock() {
    if constexpr (std::constructible_from<Clock, event_relay::instant>) {
      return Clock{sample_instant};
    } else {
      return Clock{};
    }
  }

  borrowed_prefix prefix_;
  event_relay::postgres::store_options options_;
  Clock clock_ = fresh_clock();
  host_session sql_;
  std::optional<store_type> store_;
};

using postgres_fixture = postgres_fixture_of<>;

}  // namespace event_relay_test
