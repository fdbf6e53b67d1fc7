// SPDX-License-Identifier: MIT
// The layer over SQLite's C API: parameters go in and rows come out, transactions are undone if they are left without a
// commit, and every result code has its cause and SQLite's own text.
#include "event_relay/sqlite/driver/connection.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/sqlite/driver/error.hpp"
#include "event_relay/sqlite/driver/statement.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using event_relay_test::contains;
using event_relay_test::refusal;
using event_relay_test::store_refusal;
using event_relay_test::store_refusal_of;
using event_relay_test::temporary_folder;
using sqlite::connection;
using sqlite::immediate_transaction;
using sqlite::savepoint;

static_assert(sqlite::parameter<int>);
static_assert(sqlite::parameter<std::uint64_t>);
static_assert(sqlite::parameter<bool>);
static_assert(sqlite::parameter<std::string>);
static_assert(sqlite::parameter<const char*>);
static_assert(sqlite::parameter<std::nullptr_t>);
static_assert(sqlite::parameter<std::optional<std::string_view>>);
static_assert(sqlite::parameter<double>);
static_assert(!sqlite::parameter<std::vector<int>>);
static_assert(!std::is_copy_constructible_v<connection>);
static_assert(!std::is_copy_constructible_v<immediate_transaction>);
static_assert(!std::is_copy_constructible_v<savepoint>);

using sqlite::cause_of;
static_assert(cause_of(SQLITE_BUSY) == store_errc::busy);
static_assert(cause_of(SQLITE_PROTOCOL) == store_errc::busy);
static_assert(cause_of(SQLITE_BUSY_RECOVERY) == store_errc::busy);
static_assert(cause_of(SQLITE_BUSY_TIMEOUT) == store_errc::busy);
static_assert(cause_of(SQLITE_LOCKED_SHAREDCACHE) == store_errc::busy);
static_assert(cause_of(SQLITE_BUSY_SNAPSHOT) == store_errc::stale_snapshot);
static_assert(cause_of(SQLITE_FULL) == store_errc::storage_full);
static_assert(cause_of(SQLITE_READONLY) == store_errc::read_only);
static_assert(cause_of(SQLITE_READONLY_DIRECTORY) == store_errc::read_only);
static_assert(cause_of(SQLITE_READONLY_DBMOVED) == store_errc::read_only);
static_assert(cause_of(SQLITE_PERM) == store_errc::read_only);
static_assert(cause_of(SQLITE_IOERR) == store_errc::input_output);
static_assert(cause_of(SQLITE_IOERR_FSYNC) == store_errc::input_output);
static_assert(cause_of(SQLITE_IOERR_SHMMAP) == store_errc::input_output);
static_assert(cause_of(SQLITE_CANTOPEN) == store_errc::cannot_open);
static_assert(cause_of(SQLITE_CANTOPEN_ISDIR) == store_errc::cannot_open);
static_assert(cause_of(SQLITE_CORRUPT) == store_errc::corrupt);
static_assert(cause_of(SQLITE_CORRUPT_INDEX) == store_errc::corrupt);
static_assert(cause_of(SQLITE_NOTADB) == store_errc::corrupt);
static_assert(cause_of(SQLITE_ERROR) == store_errc::rejected);
static_assert(cause_of(SQLITE_CONSTRAINT_UNIQUE) == store_errc::rejected);
static_assert(cause_of(SQLITE_NOMEM) == store_errc::rejected);
static_assert(cause_of(SQLITE_MISUSE) == store_errc::rejected);

// A database of its own, with a table of anything.
struct database_file {
  temporary_folder folder;
  connection first = open();

  database_file() { first.execute("CREATE TABLE things (thing ANY)"); }
  connection open() const { return connection{folder / "things.sqlite", 0ms}; }
  std::int64_t count() { return first.integer("SELECT count(*) FROM things", -1); }
};

}  // namespace

// ---- Statements ----

TEST_CASE("statement: parameters of every kind, stored as what they are") {
  database_file file;
  const auto stored = [&](const auto& value) {
    file.first.execute("DELETE FROM things");
    file.first.execute("INSERT INTO things VALUES (?)", value);
    std::string found;
    file.first.query("SELECT typeof(thing), hex(thing), thing FROM things", [&](const sqlite::row& each) {
      found = fmt::format("{} {}", each.text(0), each.text(0) == "text" ? each.text(1) : each.text(2));
    });
    return found;
  };
  CHECK(stored(42) == "integer 42");
  CHECK(stored(std::numeric_limits<std::int64_t>::min()) == "integer -9223372036854775808");
  CHECK(stored(std::numeric_limits<std::int64_t>::max()) == "integer 9223372036854775807");
  CHECK(stored(std::uint64_t{7}) == "integer 7");
  CHECK(stored(true) == "integer 1");
  CHECK(stored(false) == "integer 0");
  CHECK(stored(std::string{"ab"}) == "text 6162");
  CHECK(stored("ab") == "text 6162");
  CHECK(stored("ab"sv) == "text 6162");
  CHECK(stored("a\0b"sv) == "text 610062");
  CHECK(stored(std::string{}) == "text ");
  CHECK(stored(std::string_view{}) == "text ");
  CHECK(stored(nullptr) == "null ");
  CHECK(stored(std::optional<std::string>{}) == "null ");
  CHECK(stored(std::optional<std::string>{"ab"}) == "text 6162");
  CHECK(stored(std::optional<int>{}) == "null ");
  CHECK(stored(std::optional<int>{5}) == "integer 5");
}

TEST_CASE("statement: an integer beyond 64 bits with a sign, refused with its position") {
  database_file file;
  CHECK(refusal([&] {
          file.first.execute("INSERT INTO things SELECT ? + ?", 1, std::numeric_limits<std::uint64_t>::max());
        }) == "sqlite: parameter 2 is 18446744073709551615, beyond 64 bits with a sign");
  CHECK(file.count() == 0);
}

TEST_CASE("statement: a query, one visit for each row and in order") {
  database_file file;
  std::vector<std::int64_t> seen;
  const auto visit = [&](const sqlite::row& each) { seen.push_back(each.integer(0)); };
  file.first.query("SELECT thing FROM things", visit);
  CHECK(seen.empty());
  for (const int each : {3, 1, 2}) {
    file.first.execute("INSERT INTO things VALUES (?)", each);
  }
  file.first.query("SELECT thing FROM things WHERE thing < ? ORDER BY thing", visit, 3);
  CHECK(seen == std::vector<std::int64_t>{1, 2});
}

TEST_CASE("statement: one that failed or whose visit threw, as good as new") {
  database_file file;
  file.first.execute("CREATE TABLE once (id INTEGER PRIMARY KEY)");
  const auto insert = [&](int id) { file.first.execute("INSERT INTO once VALUES (?)", id); };
  insert(1);
  const store_refusal answer = store_refusal_of([&] { insert(1); });
  CHECK(answer.cause == store_errc::rejected);
  CHECK(contains(answer.text, "UNIQUE constraint failed: once.id"));
  CHECK(contains(answer.text, "running \"INSERT INTO once VALUES (?)\""));
  CHECK(contains(answer.text, fmt::format("result code {}", SQLITE_CONSTRAINT_PRIMARYKEY)));
  insert(2);
  const auto stop = [](const sqlite::row&) { throw std::runtime_error{"enough"}; };
  CHECK_THROWS_WITH(file.first.query("SELECT id FROM once", stop), "enough");
  CHECK(file.first.integer("SELECT count(*) FROM once", 0) == 2);
  file.first.execute("DROP TABLE once");  // no statement stands on it any more
}

TEST_CASE("statement: text that is no SQL, refused with the text and SQLite's own") {
  database_file file;
  const store_refusal answer = store_refusal_of([&] { file.first.execute("SELEC 1"); });
  CHECK(answer.cause == store_errc::rejected);
  CHECK(contains(answer.text, "preparing \"SELEC 1\""));
  CHECK(contains(answer.text, "syntax error"));
}

TEST_CASE("statement: one with a name, its errors show the name, and the text in one line") {
  database_file file;
  sqlite::statement named = file.first.prepare("insert_thing", "\n  INSERT INTO things\n  VALUES (abs(?1))\n");
  file.first.query(
      named, [](const sqlite::row&) {}, 1);
  const store_refusal answer = store_refusal_of([&] { named.execute(std::numeric_limits<std::int64_t>::min()); });
  CHECK(contains(answer.text, "running insert_thing, \"INSERT INTO things VALUES (abs(?1))\""));
  CHECK(refusal([&] { named.execute(); }) ==
        "sqlite: 0 parameters for insert_thing, \"INSERT INTO things VALUES (abs(?1))\"");
  CHECK(file.count() == 1);
}

TEST_CASE("statement: no SQL at all, refused") {
  database_file file;
  for (const char* const sql : {"", " ", "-- a comment"}) {
    CHECK(store_refusal_of([&] { file.first.execute(sql); }).cause == store_errc::rejected);
  }
}

TEST_CASE("statement: more than one, refused, and none of them run; white space and comments are none") {
  database_file file;
  const store_refusal answer =
      store_refusal_of([&] { file.first.execute("INSERT INTO things VALUES (1); INSERT INTO things VALUES (2)"); });
  CHECK(contains(answer.text, "is more than one statement"));
  CHECK(file.count() == 0);
  file.first.execute("INSERT INTO things VALUES (1);  -- and no more\n ");
  CHECK(file.count() == 1);
}

TEST_CASE("statement: a floating-point number, bound and read as it is") {
  database_file file;
  double read = 0;
  file.first.query(
      "SELECT ?", [&](const sqlite::row& at) { read = at.real(0); }, 0.1);
  CHECK(read == 0.1);
}

TEST_CASE("statement: a parameter too many, refused") {
  database_file file;
  CHECK_THROWS(file.first.execute("INSERT INTO things VALUES (?)", 1, 2));
  CHECK(file.count() == 0);
}

TEST_CASE("statement: a parameter too few, refused") {
  database_file file;
  const std::string long_lived(100, 'x');
  file.first.execute("INSERT INTO things VALUES (?)", long_lived);
  CHECK_THROWS(file.first.execute("INSERT INTO things VALUES (?)"));
  CHECK(file.count() == 1);
}

// ---- Connections ----

TEST_CASE("connection: statements, prepared once and kept") {
  database_file file;
  const std::string insert = "INSERT INTO things VALUES (?)";
  for (int each = 0; each < 100; ++each) {
    file.first.execute(insert, each);
    file.first.execute(fmt::format("INSERT INTO things VALUES ({} + ?)", each), each);
  }
  int runs = 0;
  for (sqlite3_stmt* at = sqlite3_next_stmt(file.first.handle(), nullptr); at != nullptr;
       at = sqlite3_next_stmt(file.first.handle(), at)) {
    runs += sqlite3_sql(at) == insert ? sqlite3_stmt_status(at, SQLITE_STMTSTATUS_RUN, 0) : 0;
  }
  CHECK(runs == 100);
  CHECK(file.count() == 200);
}

TEST_CASE("connection: integer, the first column of the row, or the other value") {
  database_file file;
  CHECK(file.first.integer("SELECT 5, 6", -1) == 5);
  CHECK(file.first.integer("SELECT thing FROM things", -1) == -1);
  CHECK(file.first.integer("SELECT NULL", -1) == -1);
  CHECK(file.first.integer("SELECT ? + ?", -1, 2, 3) == 5);
}

TEST_CASE("connection: a script, all of its statements; one that fails, refused with the step") {
  database_file file;
  file.first.run("INSERT INTO things VALUES (1); INSERT INTO things VALUES (2);");
  CHECK(file.count() == 2);
  const store_refusal answer = store_refusal_of([&] { file.first.run("SELEC 1", "doing this"); });
  CHECK(answer.cause == store_errc::rejected);
  CHECK(contains(answer.text, "doing this"));
}

TEST_CASE("connection: changes, those of the last statement") {
  database_file file;
  file.first.execute("INSERT INTO things VALUES (1), (2), (3)");
  CHECK(file.first.changes() == 3);
  file.first.execute("UPDATE things SET thing = 0 WHERE thing > ?", 1);
  CHECK(file.first.changes() == 2);
  file.first.execute("DELETE FROM things WHERE thing = ?", 9);
  CHECK(file.first.changes() == 0);
}

TEST_CASE("connection: a file that is not there, made; a folder that is not there, refused by its path") {
  temporary_folder folder;
  { connection{folder / "new.sqlite", 0ms}.execute("CREATE TABLE things (thing ANY)"); }
  CHECK(std::ifstream{folder / "new.sqlite"}.good());
  const std::string path = folder / "none/new.sqlite";
  const store_refusal answer = store_refusal_of([&] { connection{path, 0ms}; });
  CHECK(answer.cause == store_errc::cannot_open);
  CHECK(contains(answer.text, fmt::format("opening {}", path)));
  CHECK(contains(answer.text, "unable to open database file"));
}

TEST_CASE("connection: the busy timeout, held at what SQLite can count") {
  temporary_folder folder;
  const auto timeout = [&](std::chrono::milliseconds asked) {
    return connection{folder / "new.sqlite", asked}.integer("PRAGMA busy_timeout", -1);
  };
  CHECK(timeout(1'234ms) == 1'234);
  CHECK(timeout(0ms) == 0);
  CHECK(timeout(std::chrono::milliseconds::max()) == std::numeric_limits<int>::max());
}

TEST_CASE("connection: moved, with its statements") {
  database_file file;
  file.first.execute("INSERT INTO things VALUES (?)", 1);
  connection moved = std::move(file.first);
  moved.execute("INSERT INTO things VALUES (?)", 2);
  CHECK(moved.integer("SELECT count(*) FROM things", 0) == 2);
}

TEST_CASE("connection: another moved to its place, closed and its transaction undone") {
  database_file file;
  database_file other;
  connection second = file.open();
  second.execute("BEGIN IMMEDIATE");
  second.execute("INSERT INTO things VALUES (1)");
  second = other.open();
  CHECK(store_refusal_of([&] { file.first.execute("INSERT INTO things VALUES (2)"); }).text == "not refused");
  CHECK(file.first.integer("SELECT sum(thing) FROM things", 0) == 2);
}

// ---- Transactions ----

TEST_CASE("immediate_transaction: committed, or undone where it is left") {
  database_file file;
  {
    immediate_transaction kept{file.first};
    CHECK(file.first.is_in_transaction());
    file.first.execute("INSERT INTO things VALUES (1)");
    kept.commit();
    CHECK_FALSE(file.first.is_in_transaction());
  }
  CHECK(file.count() == 1);
  {
    const immediate_transaction undone{file.first.handle()};
    file.first.execute("INSERT INTO things VALUES (2)");
  }
  CHECK_FALSE(file.first.is_in_transaction());
  CHECK(file.count() == 1);
}

TEST_CASE("immediate_transaction: the write lock from its start") {
  database_file file;
  connection second = file.open();
  const immediate_transaction holding{file.first};
  const store_refusal answer = store_refusal_of([&] { immediate_transaction{second}; });
  CHECK(answer.cause == store_errc::busy);
  CHECK(contains(answer.text, "BEGIN IMMEDIATE"));
  CHECK_FALSE(second.is_in_transaction());
}

TEST_CASE("immediate_transaction: within another, refused, and the other as it was") {
  database_file file;
  immediate_transaction outer{file.first};
  file.first.execute("INSERT INTO things VALUES (1)");
  CHECK(store_refusal_of([&] { immediate_transaction{file.first}; }).cause == store_errc::rejected);
  CHECK(file.first.is_in_transaction());
  outer.commit();
  CHECK(file.count() == 1);
}

TEST_CASE("immediate_transaction: a commit that SQLite refuses, undone") {
  database_file file;
  file.first.execute("PRAGMA foreign_keys = ON");
  file.first.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)");
  file.first.execute("CREATE TABLE children (parent REFERENCES parents DEFERRABLE INITIALLY DEFERRED)");
  {
    immediate_transaction refused_one{file.first};
    file.first.execute("INSERT INTO children VALUES (1)");
    const store_refusal answer = store_refusal_of([&] { refused_one.commit(); });
    CHECK(answer.cause == store_errc::rejected);
    CHECK(contains(answer.text, "FOREIGN KEY constraint failed"));
    CHECK(file.first.is_in_transaction());
  }
  CHECK_FALSE(file.first.is_in_transaction());
  CHECK(file.first.integer("SELECT count(*) FROM children", -1) == 0);
}

TEST_CASE("immediate_transaction: ended by somebody else, left in peace; his next one too") {
  database_file file;
  {
    const immediate_transaction ended{file.first};
    file.first.execute("INSERT INTO things VALUES (1)");
    file.first.execute("COMMIT");
  }
  CHECK(file.count() == 1);
  {
    immediate_transaction committed{file.first};
    committed.commit();
    file.first.execute("BEGIN");
    file.first.execute("INSERT INTO things VALUES (2)");
  }
  CHECK(file.first.is_in_transaction());
  file.first.execute("COMMIT");
  CHECK(file.count() == 2);
}

TEST_CASE("savepoint: released, or undone where it is left, alone") {
  database_file file;
  immediate_transaction all{file.first};
  file.first.execute("INSERT INTO things VALUES (1)");
  {
    const savepoint undone{file.first.handle()};
    file.first.execute("INSERT INTO things VALUES (2)");
  }
  {
    savepoint kept{file.first.handle()};
    file.first.execute("INSERT INTO things VALUES (3)");
    {
      const savepoint undone{file.first.handle()};
      file.first.execute("INSERT INTO things VALUES (4)");
    }
    {
      savepoint inner{file.first.handle()};
      file.first.execute("INSERT INTO things VALUES (5)");
      inner.release();
    }
    kept.release();
  }
  all.commit();
  CHECK(file.count() == 3);
  CHECK(file.first.integer("SELECT sum(thing) FROM things", 0) == 9);
}

TEST_CASE("savepoint: in no transaction, one of its own") {
  database_file file;
  {
    const savepoint undone{file.first.handle()};
    file.first.execute("INSERT INTO things VALUES (1)");
    CHECK(file.first.is_in_transaction());
  }
  CHECK_FALSE(file.first.is_in_transaction());
  CHECK(file.count() == 0);
  {
    savepoint kept{file.first.handle()};
    file.first.execute("INSERT INTO things VALUES (1)");
    kept.release();
  }
  CHECK_FALSE(file.first.is_in_transaction());
  CHECK(file.count() == 1);
}

TEST_CASE("savepoint: its transaction rolled back meanwhile, left in peace and no release") {
  database_file file;
  file.first.execute("BEGIN");
  {
    savepoint gone{file.first.handle()};
    file.first.execute("ROLLBACK");
    CHECK(store_refusal_of([&] { gone.release(); }).cause == store_errc::rejected);
  }
  CHECK_FALSE(file.first.is_in_transaction());
}

// ---- Errors ----

TEST_CASE("throw_error: the cause, the step, SQLite's own text and its precise code") {
  database_file file;
  sqlite3_extended_result_codes(file.first.handle(), 0);  // as a host's connection
  file.first.execute("CREATE TABLE once (id INTEGER PRIMARY KEY)");
  file.first.execute("INSERT INTO once VALUES (1)");
  const int code = sqlite3_exec(file.first.handle(), "INSERT INTO once VALUES (1)", nullptr, nullptr, nullptr);
  CHECK(code == SQLITE_CONSTRAINT);
  const store_refusal precise = store_refusal_of([&] { sqlite::throw_error(file.first.handle(), code, "doing this"); });
  CHECK(precise.cause == store_errc::rejected);
  CHECK(precise.text ==
        fmt::format("sqlite, doing this: UNIQUE constraint failed: once.id (result code {}): rejected by the database",
                    SQLITE_CONSTRAINT_PRIMARYKEY));

  const store_refusal closed = store_refusal_of([] { sqlite::throw_error(nullptr, SQLITE_FULL, "doing that"); });
  CHECK(closed.cause == store_errc::storage_full);
  CHECK(closed.text ==
        "sqlite, doing that: database or disk is full (result code 13): no space is left for the database");
}

TEST_CASE("throw_error: a code that the connection does not know of, taken as it is") {
  database_file file;
  const store_refusal answer =
      store_refusal_of([&] { sqlite::throw_error(file.first.handle(), SQLITE_FULL, "doing this"); });
  CHECK(answer.cause == store_errc::storage_full);
  CHECK(contains(answer.text, "result code 13"));
}
