// SPDX-License-Identifier: MIT
// The outbox's tables: made once and in one transaction, also by two connections at a time; refused by name where
// they are a later version's or somebody else's.
#include "event_relay/sqlite/schema.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/sqlite/connection.hpp"
#include "event_relay/sqlite/statement.hpp"
#include "support/catch.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using event_relay_test::contains;
using event_relay_test::store_refusal_of;
using event_relay_test::temporary_folder;
using sqlite::connection;

// A database of its own, and connections to it.
struct database_file {
  temporary_folder folder;
  connection first = open();

  connection open() const { return connection{folder / "outbox.sqlite", std::chrono::milliseconds{0}}; }
};

std::vector<std::string> texts(connection& database, std::string_view sql) {
  std::vector<std::string> all;
  database.query(sql, [&](const sqlite::row& each) { all.emplace_back(each.text(0)); });
  return all;
}

std::vector<std::string> schema_of(connection& database) {
  return texts(database, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name");
}

void run(connection& database, const std::string& sql) {
  REQUIRE(sqlite3_exec(database.handle(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
}

// What `migrate` says; which is to be refused for `expected`, or not.
std::string answer_of(connection& database, std::error_code expected = {}) {
  const auto answer = store_refusal_of([&] { sqlite::migrate(database); });
  CHECK(answer.cause == expected);
  return answer.text;
}

}  // namespace

TEST_CASE("schema: an empty database, strict tables of this version and indexes of the rows that each is for") {
  database_file file;
  CHECK(sqlite::detail::version_of(file.first) == 0);
  sqlite::migrate(file.first);
  CHECK(sqlite::detail::version_of(file.first) == sqlite::detail::schema_version);
  CHECK_FALSE(file.first.is_in_transaction());
  CHECK(texts(file.first, "SELECT name FROM pragma_table_list WHERE strict ORDER BY name") ==
        std::vector<std::string>{"event_relay_events", "event_relay_failures", "event_relay_outbox"});
  CHECK(texts(file.first, "SELECT name FROM pragma_index_list('event_relay_events') WHERE partial ORDER BY name") ==
        std::vector<std::string>{"event_relay_dead_letters", "event_relay_leased", "event_relay_ready",
                                 "event_relay_suspects"});
}

TEST_CASE("schema: tables of this version, left alone") {
  database_file file;
  sqlite::migrate(file.first);
  run(file.first, "UPDATE event_relay_outbox SET last_token = 7");
  const auto before = schema_of(file.first);
  const auto cookie = texts(file.first, "PRAGMA schema_version");
  run(file.first, "BEGIN IMMEDIATE");
  connection second = file.open();
  sqlite::migrate(second);  // it needs no lock
  run(file.first, "COMMIT");
  CHECK(schema_of(second) == before);
  CHECK(texts(second, "PRAGMA schema_version") == cookie);
  CHECK(second.integer("SELECT last_token FROM event_relay_outbox", 0) == 7);
  CHECK(second.integer("SELECT count(*) FROM event_relay_outbox", 0) == 1);
}

TEST_CASE("schema: the host's tables and its user_version, left alone") {
  database_file file;
  run(file.first,
      "CREATE TABLE bookings (id TEXT); INSERT INTO bookings VALUES ('booking-1'); PRAGMA user_version = 5; "
      "CREATE TABLE event_relay (id TEXT)");
  sqlite::migrate(file.first);
  CHECK(texts(file.first, "SELECT id FROM bookings") == std::vector<std::string>{"booking-1"});
  CHECK(file.first.integer("PRAGMA user_version", 0) == 5);
}

TEST_CASE("schema: a later version's tables, refused with both versions and left alone") {
  database_file file;
  sqlite::migrate(file.first);
  const auto later = sqlite::detail::schema_version + 1;
  run(file.first, fmt::format("UPDATE event_relay_outbox SET version = {}", later));
  const auto before = schema_of(file.first);
  const std::string said = answer_of(file.first, store_errc::newer_schema);
  CHECK(contains(said, fmt::format("version {}", later)));
  CHECK(contains(said, fmt::format("up to {}", sqlite::detail::schema_version)));
  CHECK(schema_of(file.first) == before);
}

TEST_CASE("schema: somebody else's tables, refused by name and left alone") {
  struct row {
    std::string made;
    std::string said;
  };
  const row rows[] = {
      {"CREATE TABLE event_relay_events (id TEXT)", "event_relay_events"},
      {"CREATE TABLE event_relay_failures (id TEXT)", "event_relay_failures"},
      {"CREATE VIEW event_relay_events AS SELECT 1", "event_relay_events"},
      {"CREATE TABLE event_relay_outbox (id TEXT)", "event_relay_outbox"},
      {"CREATE TABLE event_relay_outbox (version INTEGER)", "event_relay_outbox"},
      {"CREATE TABLE event_relay_outbox (version INTEGER); INSERT INTO event_relay_outbox VALUES (0)",
       "event_relay_outbox"},
      {"CREATE TABLE event_relay_outbox (version INTEGER); INSERT INTO event_relay_outbox VALUES (-3)",
       "event_relay_outbox"},
      {"CREATE TABLE event_relay_outbox (version INTEGER); INSERT INTO event_relay_outbox VALUES (NULL)",
       "event_relay_outbox"},
      {"CREATE TABLE event_relay_outbox (version TEXT); INSERT INTO event_relay_outbox VALUES ('beta')",
       "event_relay_outbox"},
  };
  for (const row& each : rows) {
    INFO(each.made);
    database_file file;
    run(file.first, each.made);
    const auto before = schema_of(file.first);
    CHECK(contains(answer_of(file.first, store_errc::foreign_schema), each.said));
    CHECK(schema_of(file.first) == before);
    CHECK_FALSE(file.first.is_in_transaction());
  }
}

TEST_CASE("schema: tables of ours without a version of ours, refused by name") {
  for (const char* const version : {"0", "-1"}) {
    database_file file;
    sqlite::migrate(file.first);
    run(file.first, fmt::format("UPDATE event_relay_outbox SET version = {}", version));
    CHECK(contains(answer_of(file.first, store_errc::foreign_schema), "event_relay_outbox"));
  }
}

TEST_CASE("schema: somebody else's table that holds a version of ours, refused by name") {
  database_file file;
  run(file.first, "CREATE TABLE event_relay_outbox (version INTEGER); INSERT INTO event_relay_outbox VALUES (1)");
  answer_of(file.first, store_errc::foreign_schema);
}

TEST_CASE("schema: somebody else's table that is written in capitals, refused by name") {
  database_file file;
  run(file.first, "CREATE TABLE EVENT_RELAY_EVENTS (id TEXT)");
  answer_of(file.first, store_errc::foreign_schema);
}

TEST_CASE("schema: a step that fails, nothing made and SQLite's own text") {
  database_file file;
  run(file.first, "CREATE TABLE bookings (id TEXT); CREATE INDEX event_relay_suspects ON bookings (id)");
  const auto before = schema_of(file.first);
  const std::string said = answer_of(file.first, store_errc::refused);
  CHECK(contains(said, "event_relay_suspects already exists"));
  CHECK(contains(said, "version 1"));
  CHECK(schema_of(file.first) == before);
  CHECK_FALSE(file.first.is_in_transaction());
  run(file.first, "DROP INDEX event_relay_suspects");
  CHECK(answer_of(file.first) == "not refused");
}

TEST_CASE("schema: the lock held by another connection, busy and nothing made") {
  database_file file;
  connection second = file.open();
  run(second, "BEGIN IMMEDIATE");
  answer_of(file.first, store_errc::busy);
  run(second, "COMMIT");
  CHECK(schema_of(file.first).empty());
  CHECK(answer_of(file.first) == "not refused");
}

TEST_CASE("schema: another connection that is faster, its tables taken as they are") {
  struct faster_connection {
    connection on;
    std::string_view then;
    // Called once the other has seen no tables and waits for the lock.
    static int make_tables(void* self, int) {
      auto& mine = *static_cast<faster_connection*>(self);
      const std::string sql = fmt::format("{}; {}; COMMIT", sqlite::detail::migrations[0], mine.then);
      return sqlite3_exec(mine.on.handle(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK ? 1 : 0;
    }
  };
  struct row {
    std::string_view then;
    std::error_code expected;
  };
  const row rows[] = {
      {"UPDATE event_relay_outbox SET version = 1, last_token = 7", {}},
      {"UPDATE event_relay_outbox SET version = 99, last_token = 7", store_errc::newer_schema},
  };
  for (const row& each : rows) {
    database_file file;
    faster_connection other{file.open(), each.then};
    run(other.on, "BEGIN IMMEDIATE");
    sqlite3_busy_handler(file.first.handle(), &faster_connection::make_tables, &other);
    answer_of(file.first, each.expected);
    CHECK(file.first.integer("SELECT last_token FROM event_relay_outbox", 0) == 7);
    CHECK_FALSE(file.first.is_in_transaction());
  }
}
