// SPDX-License-Identifier: MIT
// The outbox's tables: made once and in one transaction, also by two connections at a time; refused by name where
// they are a later version's or somebody else's; an older version's brought forward with their events.
#include "event_relay/sqlite/schema.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/store.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/statement.hpp"
#include "event_relay/sqlite/store.hpp"
#include "event_relay/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using sqlite::connection;

// A database of its own, and connections to it.
struct database_file {
  temporary_folder folder;
  connection first = open();

  std::string path() const { return folder / "outbox.sqlite"; }
  connection open() const { return connection{path(), 0ms}; }
};

// What makes the tables as they were when `version` was the last.
std::string tables_of_version(std::size_t version) {
  std::string tables;
  for (std::size_t step = 0; step < version; ++step) {
    tables += sql::expanded(sqlite::detail::scripts[step], sqlite::detail::no_names{});
  }
  return fmt::format("{}; UPDATE event_relay_outbox SET version = {};", tables, version);
}

std::int64_t version_of(connection& database) {
  sqlite::detail::tables tables{database};
  return sql::version_of(tables, sqlite::detail::all_migrations);
}

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

TEST_CASE("schema: tables of version 1, brought to those of an empty database") {
  database_file old;
  run(old.first, tables_of_version(1));
  CHECK(version_of(old.first) == 1);
  CHECK(answer_of(old.first) == "not refused");
  CHECK(version_of(old.first) == sqlite::detail::schema_version);
  database_file fresh;
  sqlite::migrate(fresh.first);
  for (const char* const of :
       {"pragma_table_list", "pragma_index_list('event_relay_events')", "pragma_table_xinfo('event_relay_events')"}) {
    INFO(of);
    const std::string names = fmt::format("SELECT name FROM {} ORDER BY name", of);
    CHECK(texts(old.first, names) == texts(fresh.first, names));
  }
}

TEST_CASE("schema: events of version 1 in every state, brought forward, and they go on") {
  database_file file;
  run(file.first, tables_of_version(1) + R"(
    INSERT INTO event_relay_events (row, id, name, payload, occurred_at, correlation_id, replayed, state, available_at,
        attempt, token, failures, leased_until, solo, crashed, dead_since, reason)
      SELECT column1, column2, 'booking.created', '{}', 0, 'corr-1', 0, column3, column4, column5, column6, column7,
          column8, column9, column10, column11, column12 FROM (VALUES
        (1, 'ready', 0, 0, 0, 0, 0, NULL, 0, 0, NULL, NULL), (2, 'later', 0, 5000, 1, 3, 1, NULL, 0, 0, NULL, NULL),
        (3, 'leased', 1, 0, 1, 9, 0, 30000, 0, 0, NULL, NULL), (4, 'orphan', 2, 0, 1, 4, 1, NULL, 1, 1, NULL, NULL),
        (5, 'dead', 3, 0, 2, 5, 1, NULL, 0, 0, 100, 'rejected'));
    INSERT INTO event_relay_failures VALUES (2, 1, 1, 0, 'busy'), (4, 1, 1, 0, 'lease expired'), (5, 1, 2, 100, 'no');
    UPDATE event_relay_outbox SET last_token = 9)");
  event_relay::testing::manual_clock clock;
  sqlite::store<event_relay::testing::manual_clock> store{file.path(), {.busy_timeout = 0ms}, clock};
  using settlement = settlement<connection>;
  const auto settle_one = [&](const settlement& each) {
    return settle(store, std::span<const settlement>{&each, 1}).at(0).status;
  };
  const auto claimed = [&](claim_kind kind) { return texts_of(store.exchange({}, {10, 30s, kind}).claimed); };

  CHECK(store.metrics().held_keys == 0);
  CHECK(settle_one({.held = {3, 9}}) == settle_status::applied);  // by a worker that has claimed before
  CHECK_FALSE(store.find("leased").has_value());
  CHECK(claimed(claim_kind::ordinary) == std::vector<std::string>{"ready #1"});
  CHECK(store.find("ready")->token == 10);
  CHECK(claimed(claim_kind::orphan) == std::vector<std::string>{"orphan #2 isolated crashed"});
  const std::vector<redrive_request> again{{"dead", clock.now()}};
  CHECK(store.find("dead")->reason == dead_letter_reason::rejected);
  CHECK_FALSE(store.find("dead")->holds_key);
  CHECK(store.redrive(again) == std::vector<bool>{true});
  CHECK(claimed(claim_kind::ordinary) == std::vector<std::string>{"dead #1"});
  CHECK(store.find("dead")->failures == std::vector<failure_record>{{2, instant{100ms}, "no"}});
  clock.advance(5s);
  CHECK(claimed(claim_kind::ordinary) == std::vector<std::string>{"later #2"});

  run(file.first, "BEGIN IMMEDIATE");
  store.append(file.first.handle(), std::vector{keyed("a"), keyed("b")});
  run(file.first, "COMMIT");
  const exchange_result keyed_ones = store.exchange({}, {10, 30s});
  CHECK(texts_of(keyed_ones.claimed) == std::vector<std::string>{"a #1"});
  CHECK(settle_one({.held = keyed_ones.claimed.at(0).held, .ordering_key = "k"}) == settle_status::applied);
  CHECK(claimed(claim_kind::ordinary) == std::vector<std::string>{"b #1"});
}

TEST_CASE("schema: a step that fails on tables of version 1, left as they were") {
  database_file file;
  run(file.first, tables_of_version(1) + "; CREATE TABLE event_relay_outcomes (id TEXT)");
  const auto before = schema_of(file.first);
  CHECK(contains(answer_of(file.first, store_errc::rejected), "version 2"));
  CHECK(schema_of(file.first) == before);
  CHECK(version_of(file.first) == 1);
}

TEST_CASE("schema: an empty database, strict tables of this version and indexes of the rows that each is for") {
  database_file file;
  CHECK(version_of(file.first) == 0);
  sqlite::migrate(file.first);
  CHECK(version_of(file.first) == sqlite::detail::schema_version);
  CHECK_FALSE(file.first.is_in_transaction());
  CHECK(texts(file.first, "SELECT name FROM pragma_table_list WHERE strict ORDER BY name") ==
        std::vector<std::string>{"event_relay_events", "event_relay_failures", "event_relay_outbox",
                                 "event_relay_outcomes"});
  CHECK(texts(file.first, "SELECT name FROM pragma_index_list('event_relay_events') WHERE partial ORDER BY name") ==
        std::vector<std::string>{"event_relay_blocked", "event_relay_dead_letters", "event_relay_heads",
                                 "event_relay_holders", "event_relay_kept", "event_relay_leased", "event_relay_ready",
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
      {"CREATE TABLE event_relay_outcomes (id TEXT)", "event_relay_outcomes"},
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

TEST_CASE("schema: a table of ours that is missing, refused by its name from its version on") {
  for (const std::string table : {"event_relay_events", "event_relay_failures", "event_relay_outcomes"}) {
    INFO(table);
    database_file file;
    sqlite::migrate(file.first);
    run(file.first, "DROP TABLE " + table);
    CHECK(contains(answer_of(file.first, store_errc::foreign_schema), "but no " + table));
  }
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
  const std::string said = answer_of(file.first, store_errc::rejected);
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
    std::string made;
    // Called once the other has seen no tables and waits for the lock.
    static int make_tables(void* self, int) {
      auto& mine = *static_cast<faster_connection*>(self);
      return sqlite3_exec(mine.on.handle(), (mine.made + "; COMMIT").c_str(), nullptr, nullptr, nullptr) == SQLITE_OK
                 ? 1
                 : 0;
    }
  };
  struct row {
    std::size_t steps;
    int version;
    std::error_code expected;
  };
  constexpr auto all = sqlite::detail::scripts.size();
  const row rows[] = {{1, 1, {}}, {all, sqlite::detail::schema_version, {}}, {all, 99, store_errc::newer_schema}};
  for (const row& each : rows) {
    database_file file;
    faster_connection other{file.open(), tables_of_version(each.steps)};
    other.made += fmt::format("; UPDATE event_relay_outbox SET version = {}, last_token = 7", each.version);
    run(other.on, "BEGIN IMMEDIATE");
    sqlite3_busy_handler(file.first.handle(), &faster_connection::make_tables, &other);
    answer_of(file.first, each.expected);
    CHECK(file.first.integer("SELECT last_token FROM event_relay_outbox", 0) == 7);
    CHECK_FALSE(file.first.is_in_transaction());
  }
}
