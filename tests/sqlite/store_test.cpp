// SPDX-License-Identifier: MIT
// The store in an SQLite file: the contract of every store, and what is SQLite's alone: a guest on the host's
// connection that leaves no trace, causes of failure told apart, and processes and threads that share a file.
#include "event_relay/sqlite/store.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <latch>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/outbox/store.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/process_check.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "event_relay/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/claim_limit_contract.hpp"
#include "support/ordering_contract.hpp"
#include "support/retention_contract.hpp"
#include "support/sample_events.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using sqlite::store_options;
using sqlite_store = sqlite::store<testing::manual_clock>;

static_assert(event_store<sqlite_store>);
static_assert(event_store<sqlite::store<>>);
static_assert(!event_store<const sqlite_store>);
static_assert(!event_store<sqlite::connection>);

// Nothing in these tests waits for a lock.
const store_options no_waiting{.durability = sqlite::synchronous::normal, .busy_timeout = 0ms};

// A host's own connection, with SQLite's defaults.
class host_connection {
 public:
  explicit host_connection(const std::string& path) {
    REQUIRE(sqlite3_open(path.c_str(), &handle_) == SQLITE_OK);
    run("PRAGMA synchronous = OFF");
  }
  ~host_connection() { sqlite3_close(handle_); }
  host_connection(const host_connection&) = delete;
  host_connection& operator=(const host_connection&) = delete;

  sqlite3* get() const { return handle_; }
  int run(const char* sql) { return sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr); }
  bool is_in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }
  int close() {
    const int code = sqlite3_close(handle_);
    handle_ = code == SQLITE_OK ? nullptr : handle_;
    return code;
  }
  // The first column of all rows.
  std::vector<std::string> texts(const char* sql) {
    std::vector<std::string> all;
    const auto keep = [](void* into, int, char** values, char**) {
      static_cast<std::vector<std::string>*>(into)->emplace_back(values[0] != nullptr ? values[0] : "NULL");
      return 0;
    };
    REQUIRE(sqlite3_exec(handle_, sql, keep, &all, nullptr) == SQLITE_OK);
    return all;
  }

 private:
  sqlite3* handle_ = nullptr;
};

class sqlite_fixture {
 public:
  using store_type = sqlite_store;

  explicit sqlite_fixture(std::uint32_t failures_kept = 10, std::chrono::milliseconds keep_processed = {})
      : sql_{path()} {
    sql_.run("PRAGMA journal_mode = WAL; CREATE TABLE texts (text TEXT)");
    store_options options = no_waiting;
    options.failures_kept = failures_kept;
    options.keep_processed = keep_processed;
    open_store(options);
  }

  sqlite_store& store() { return *store_; }
  testing::manual_clock& clock() { return clock_; }
  sqlite3* host() { return sql_.get(); }
  void begin() { REQUIRE(sql_.run("BEGIN IMMEDIATE") == SQLITE_OK); }
  void commit() { REQUIRE(sql_.run("COMMIT") == SQLITE_OK); }
  void rollback() { REQUIRE(sql_.run("ROLLBACK") == SQLITE_OK); }

  static void leave(sqlite::connection& writes, const std::string& text) {
    writes.execute("INSERT INTO texts VALUES (?)", text);
  }
  std::vector<std::string> written() { return sql_.texts("SELECT text FROM texts ORDER BY rowid"); }

  // ---- SQLite's alone ----

  std::string path() const { return folder_ / "host.sqlite"; }
  host_connection& sql() { return sql_; }
  void close_store() { store_.reset(); }
  void open_store(store_options with = no_waiting) { store_.emplace(path(), with, clock_); }

 private:
  temporary_folder folder_;
  testing::manual_clock clock_{sample_instant};
  host_connection sql_;  // first and last, and never in need of the disk, so that the tests are fast
  std::optional<sqlite_store> store_;
};

using bench = store_bench<sqlite_fixture>;
using answers = std::vector<append_status>;
using texts = std::vector<std::string>;

[[maybe_unused]] const bool is_registered = register_store_contract<sqlite_fixture>("sqlite::store") &&
                                            register_ordering_contract<sqlite_fixture>("sqlite::store") &&
                                            register_claim_limit_contract<sqlite_fixture>("sqlite::store") &&
                                            register_retention_contract<sqlite_fixture>("sqlite::store");

event_record huge(std::string id) {
  event_record record = record_of(std::move(id));
  record.payload.assign(200'000, 'x');
  return record;
}

// Permissions mean nothing to root, who is nobody while this lives.
class as_nobody {
 public:
  as_nobody() : was_root_{geteuid() == 0} { become(65'534); }
  ~as_nobody() { become(0); }
  as_nobody(const as_nobody&) = delete;
  as_nobody& operator=(const as_nobody&) = delete;

 private:
  void become(uid_t user) const {
    if (was_root_ && seteuid(user) != 0) {
      WARN("the process cannot change its user");
    }
  }
  bool was_root_;
};

// A second process, which begins before this one opens anything: `body(wait)` runs in it, where `wait()` tells
// this process that it may go on, and waits for `let_go`.
class second_process {
 public:
  template <class Body>
  explicit second_process(Body body) {
    REQUIRE(pipe(to_parent_.data()) == 0);
    REQUIRE(pipe(to_child_.data()) == 0);
    process_ = fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) {
      ::close(to_parent_[0]);
      ::close(to_child_[1]);
      run(body);
    }
    ::close(to_parent_[1]);
    ::close(to_child_[0]);
    hear(to_parent_[0]);
  }
  ~second_process() {
    if (process_ > 0) {
      exit_status();
    }
  }
  second_process(const second_process&) = delete;
  second_process& operator=(const second_process&) = delete;

  // Lets it go on, and waits for its end; 0 if all went well.
  int exit_status() {
    ::close(to_child_[1]);
    int status = -1;
    waitpid(std::exchange(process_, 0), &status, 0);
    ::close(to_parent_[0]);
    return status;
  }

 private:
  template <class Body>
  [[noreturn]] void run(Body& body) const {
    int status = 1;
    try {
      body([this] {
        ::close(to_parent_[1]);
        hear(to_child_[0]);
      });
      status = 0;
    } catch (...) {
    }
    _exit(status);
  }
  // Until the other end is closed.
  static void hear(int end) {
    char none = 0;
    while (read(end, &none, 1) < 0 && errno == EINTR) {
    }
  }

  std::array<int, 2> to_parent_{};
  std::array<int, 2> to_child_{};
  pid_t process_ = 0;
};

}  // namespace

// ---- A guest on the host's connection ----

TEST_CASE("sqlite::store: append, the host's last_insert_rowid as it was") {
  bench on;
  on.begin();
  on.sql().run("INSERT INTO texts (rowid, text) VALUES (77, 'booking')");
  on.append("a");
  CHECK(sqlite3_last_insert_rowid(on.host()) == 77);
  on.append("b", "c");
  CHECK(sqlite3_last_insert_rowid(on.host()) == 77);
  on.append("a");
  CHECK(sqlite3_last_insert_rowid(on.host()) == 77);
  on.commit();
  CHECK(sqlite3_last_insert_rowid(on.host()) == 77);
}

TEST_CASE("sqlite::store: append, the host's last_insert_rowid as it was where the append fails") {
  bench on;
  on.begin();
  on.sql().run("INSERT INTO texts (rowid, text) VALUES (77, 'booking')");
  const int longest = sqlite3_limit(on.host(), SQLITE_LIMIT_LENGTH, 10'000);
  CHECK(refusal_cause([&] { on.append(huge("a")); }) == store_errc::rejected);
  CHECK(sqlite3_last_insert_rowid(on.host()) == 77);
  CHECK(refusal_cause([&] { on.append("b", huge("a")); }) == store_errc::rejected);
  CHECK(sqlite3_last_insert_rowid(on.host()) == 77);
  sqlite3_limit(on.host(), SQLITE_LIMIT_LENGTH, longest);
  on.commit();
}

TEST_CASE("sqlite::store: append, refused in the middle of a batch: nothing of it, and the transaction goes on") {
  bench on;
  on.begin();
  on.sql().run("INSERT INTO texts VALUES ('booking')");
  on.append("a");
  const int longest = sqlite3_limit(on.host(), SQLITE_LIMIT_LENGTH, 10'000);
  CHECK(refusal_cause([&] { on.append("b", huge("c")); }) == store_errc::rejected);
  sqlite3_limit(on.host(), SQLITE_LIMIT_LENGTH, longest);
  CHECK(on.append("c") == answers{append_status::appended});
  on.commit();
  CHECK(on.seen("a") == "ready 0");
  CHECK(on.seen("b") == "gone");
  CHECK(on.seen("c") == "ready 0");
  CHECK(on.written() == texts{"booking"});
}

TEST_CASE("sqlite::store: append, the host's hooks called as ever and still in place") {
  struct counts {
    int commits = 0;
    int rollbacks = 0;
    int updates = 0;
    int frames = 0;
  } seen;
  bench on;
  sqlite3* const host = on.host();
  sqlite3_commit_hook(
      host, [](void* at) { return ++static_cast<counts*>(at)->commits, 0; }, &seen);
  sqlite3_rollback_hook(
      host, [](void* at) { ++static_cast<counts*>(at)->rollbacks; }, &seen);
  sqlite3_update_hook(
      host, [](void* at, int, const char*, const char*, sqlite3_int64) { ++static_cast<counts*>(at)->updates; }, &seen);
  sqlite3_wal_hook(
      host, [](void* at, sqlite3*, const char*, int) { return ++static_cast<counts*>(at)->frames, SQLITE_OK; }, &seen);

  on.begin();
  on.sql().run("INSERT INTO texts VALUES ('booking')");
  on.append("a", "b");
  on.commit();
  CHECK(seen.commits == 1);
  CHECK(seen.frames == 1);
  CHECK(seen.updates == 3);
  on.begin();
  on.append("c");
  on.rollback();
  CHECK(seen.rollbacks == 1);
  CHECK(seen.commits == 1);

  CHECK(sqlite3_commit_hook(host, nullptr, nullptr) == &seen);
  CHECK(sqlite3_rollback_hook(host, nullptr, nullptr) == &seen);
  CHECK(sqlite3_update_hook(host, nullptr, nullptr) == &seen);
  CHECK(sqlite3_wal_hook(host, nullptr, nullptr) == &seen);
}

TEST_CASE("sqlite::store: append, the host's commit hook refuses: nothing stored, and nobody woken") {
  bench on;
  sqlite3_commit_hook(
      on.host(), [](void*) { return 1; }, nullptr);
  const std::uint64_t before = on.hints();
  on.begin();
  on.append("a");
  CHECK(on.sql().run("COMMIT") == SQLITE_CONSTRAINT);
  CHECK_FALSE(on.sql().is_in_transaction());
  CHECK(on.seen("a") == "gone");
  CHECK(on.hints() == before);
  sqlite3_commit_hook(on.host(), nullptr, nullptr);
  on.add("a");
  CHECK(on.seen("a") == "ready 0");
  CHECK(on.hints() > before);
}

TEST_CASE("sqlite::store: append, the host's settings as they were") {
  bench on;
  on.sql().run(
      "PRAGMA synchronous = EXTRA; PRAGMA busy_timeout = 17; PRAGMA foreign_keys = ON; PRAGMA cache_size = 123; "
      "PRAGMA recursive_triggers = ON; PRAGMA wal_autocheckpoint = 77; PRAGMA user_version = 5; "
      "PRAGMA application_id = 6; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF");
  const auto settings = [&] {
    texts all;
    for (const char* const each :
         {"synchronous",        "busy_timeout",       "foreign_keys",         "cache_size",
          "recursive_triggers", "wal_autocheckpoint", "user_version",         "application_id",
          "temp_store",         "trusted_schema",     "query_only",           "journal_mode",
          "locking_mode",       "read_uncommitted",   "secure_delete",        "auto_vacuum",
          "defer_foreign_keys", "cell_size_check",    "checkpoint_fullfsync", "fullfsync",
          "automatic_index",    "mmap_size",          "max_page_count",       "reverse_unordered_selects"}) {
      all.push_back(fmt::format("{} {}", each, fmt::join(on.sql().texts(fmt::format("PRAGMA {}", each).c_str()), "")));
    }
    return all;
  };
  const texts before = settings();
  on.add("a", "b");
  on.begin();
  on.append("c");
  on.rollback();
  CHECK(settings() == before);
  on.sql().run("CREATE TABLE once (id INTEGER PRIMARY KEY); INSERT INTO once VALUES (1)");
  CHECK(on.sql().run("INSERT INTO once VALUES (1)") == SQLITE_CONSTRAINT);  // and no extended code
}

TEST_CASE("sqlite::store: append, a part of the transaction undone: the rest is stored") {
  bench on;
  on.begin();
  on.append("a");
  on.sql().run("SAVEPOINT part");
  on.append("b");
  on.sql().run("ROLLBACK TO part");
  on.append("c");
  on.commit();
  CHECK(on.seen("a") == "ready 0");
  CHECK(on.seen("b") == "gone");
  CHECK(on.seen("c") == "ready 0");
}

TEST_CASE("sqlite::store: append, in a savepoint that is a transaction, seen and heard of with its release") {
  bench on;
  const std::uint64_t before = on.hints();
  on.sql().run("SAVEPOINT event_relay");
  on.append("a", "b");
  CHECK(on.hints() == before);
  CHECK(on.sql().run("RELEASE event_relay") == SQLITE_OK);
  CHECK(on.seen("b") == "ready 0");
  CHECK(on.hints() > before);
}

TEST_CASE("sqlite::store: append, the host's connection closes as ever") {
  bench on;
  host_connection other{on.path()};
  const auto append = [&](const char* id) {
    const event_record record = record_of(id);
    return on.store().append(other.get(), {&record, 1});
  };
  SECTION("after its commit") {
    other.run("BEGIN");
    append("a");
    other.run("COMMIT");
    CHECK(other.close() == SQLITE_OK);
    CHECK(on.seen("a") == "ready 0");
  }
  SECTION("in the transaction, which is rolled back") {
    const std::uint64_t before = on.hints();
    other.run("BEGIN");
    append("a");
    CHECK(other.close() == SQLITE_OK);
    CHECK(on.seen("a") == "gone");
    CHECK(on.hints() == before);
  }
  SECTION("after the store") {
    other.run("BEGIN");
    append("a");
    other.run("COMMIT");
    on.close_store();
    CHECK(other.run("CREATE TABLE more (x); DROP TABLE more") == SQLITE_OK);
    CHECK(other.close() == SQLITE_OK);
  }
  SECTION("after the store, which went in the midst of a transaction") {
    other.run("BEGIN");
    append("a");
    on.close_store();
    CHECK(other.run("COMMIT") == SQLITE_OK);
    CHECK(other.close() == SQLITE_OK);
    on.open_store();
    CHECK(on.seen("a") == "ready 0");
  }
  SECTION("refused while the host has a statement, and useful until then") {
    sqlite3_stmt* open = nullptr;
    REQUIRE(sqlite3_prepare_v2(other.get(), "SELECT 1", -1, &open, nullptr) == SQLITE_OK);
    other.run("BEGIN");
    append("a");
    other.run("COMMIT");
    CHECK(other.close() == SQLITE_BUSY);
    const std::uint64_t before = on.hints();
    other.run("BEGIN");
    append("b");
    other.run("COMMIT");
    CHECK(on.hints() > before);
    CHECK(on.seen("b") == "ready 0");
    sqlite3_finalize(open);
    CHECK(other.close() == SQLITE_OK);
  }
  SECTION("after the host has dropped all modules, which come back") {
    other.run("BEGIN");
    append("a");
    other.run("COMMIT");
    CHECK(sqlite3_drop_modules(other.get(), nullptr) == SQLITE_OK);
    CHECK(other.run("SELECT 1") == SQLITE_OK);
    const std::uint64_t before = on.hints();
    other.run("BEGIN");
    append("b");
    other.run("COMMIT");
    CHECK(on.hints() > before);
    CHECK(other.close() == SQLITE_OK);
  }
}

TEST_CASE("sqlite::store: append, connections that come and go, perhaps to the same address") {
  bench on;
  for (int each = 0; each < 5; ++each) {
    host_connection other{on.path()};
    const std::uint64_t before = on.hints();
    other.run("BEGIN");
    const event_record record = record_of(fmt::format("evt-{}", each));
    CHECK(on.store().append(other.get(), {&record, 1}) == answers{append_status::appended});
    other.run("COMMIT");
    CHECK(on.hints() > before);
  }
  CHECK(on.claim().size() == 5);
}

TEST_CASE("sqlite::store: append, two stores of one file on one connection, each woken by its own") {
  bench on;
  sqlite_store second{on.path(), no_waiting, on.clock()};
  const std::uint64_t first_before = on.hints();
  const std::uint64_t second_before = second.signal().count();
  on.add("a");
  CHECK(on.hints() == first_before + 1);
  CHECK(second.signal().count() == second_before);
  on.begin();
  on.append("b");
  const auto records = std::vector{record_of("b"), record_of("c")};
  CHECK(second.append(on.host(), records) == answers{append_status::duplicate, append_status::appended});
  on.commit();
  CHECK(on.hints() == first_before + 2);
  CHECK(second.signal().count() == second_before + 1);
  CHECK(second.exchange({}, {2, 30s}).claimed.size() == 2);
  CHECK(texts_of(on.claim()) == texts{"c #1"});
  CHECK(on.sql().close() == SQLITE_OK);
}

TEST_CASE("sqlite::store: append outside a transaction, refused and nothing changed") {
  bench on;
  const std::uint64_t before = on.hints();
  const store_refusal answer = store_refusal_of([&] { on.append("a"); });
  CHECK(answer.cause == store_errc::no_transaction);
  CHECK(contains(answer.text, "BEGIN IMMEDIATE"));
  CHECK(on.seen("a") == "gone");
  CHECK(on.hints() == before);
}

TEST_CASE("sqlite::store: append on a connection to another database, refused and nothing changed") {
  bench on;
  temporary_folder elsewhere;
  const auto refuses = [&](const std::string& path, const std::string& attach = {}) {
    host_connection other{path};
    other.run(attach.c_str());
    other.run("BEGIN");
    const event_record record = record_of("a");
    const store_refusal answer = store_refusal_of([&] { on.store().append(other.get(), {&record, 1}); });
    CHECK(answer.cause == store_errc::wrong_database);
    CHECK(contains(answer.text, on.path()));
    CHECK(other.close() == SQLITE_OK);
  };
  refuses(elsewhere / "other.sqlite");
  refuses(elsewhere / "other.sqlite", fmt::format("ATTACH '{}' AS outbox", on.path()));
  refuses(":memory:");
  refuses("");
  CHECK(on.seen("a") == "gone");
}

TEST_CASE("sqlite::store: append on a connection that names the file otherwise, as on any") {
  bench on;
  temporary_folder elsewhere;
  std::filesystem::create_symlink(on.path(), elsewhere / "link.sqlite");
  const std::string same[] = {elsewhere / "link.sqlite",
                              (std::filesystem::path{on.path()}.parent_path() / "." / "host.sqlite").string()};
  for (const std::string& path : same) {
    host_connection other{path};
    other.run("BEGIN");
    const event_record record = record_of(path);
    CHECK(on.store().append(other.get(), {&record, 1}) == answers{append_status::appended});
    CHECK(other.run("COMMIT") == SQLITE_OK);
    CHECK(on.seen(path) == "ready 0");
  }
}

TEST_CASE("sqlite::store: wake, as if a commit had been seen") {
  bench on;
  const std::uint64_t before = on.hints();
  on.store().wake();
  CHECK(on.hints() > before);
}

// ---- What can be wrong, one cause beside the other ----

TEST_CASE("sqlite::store: a path that names no file, refused by its name") {
  for (const char* const path : {":memory:", "", "file:outbox.sqlite", "file::memory:?cache=shared"}) {
    const store_refusal answer = store_refusal_of([&] { sqlite::store<>{path}; });
    CHECK(answer.cause == store_errc::in_memory);
    CHECK(contains(answer.text, fmt::format("\"{}\"", path)));
  }
}

TEST_CASE("sqlite::store: a path that cannot be opened, refused by its name") {
  temporary_folder folder;
  for (const std::string& path : {folder / "no such folder/outbox.sqlite", folder.path().string()}) {
    const store_refusal answer = store_refusal_of([&] { sqlite::store<>{path, no_waiting}; });
    CHECK(answer.cause == store_errc::cannot_open);
    CHECK(contains(answer.text, path));
    CHECK(contains(answer.text, "unable to open database file"));
  }
}

TEST_CASE("sqlite::store: append after another's commit that the host's transaction has not seen, stale snapshot") {
  bench on;
  host_connection other{on.path()};
  sqlite3_busy_timeout(on.host(), 3'600'000);  // which is of no use
  on.sql().run("BEGIN");
  on.sql().texts("SELECT count(*) FROM texts");
  other.run("INSERT INTO texts VALUES ('other')");
  const store_refusal answer = store_refusal_of([&] { on.append("a"); });
  CHECK(answer.cause == store_errc::stale_snapshot);
  CHECK_FALSE(is_retryable(answer.cause));
  CHECK(contains(answer.text, "BEGIN IMMEDIATE"));
  CHECK(contains(answer.text, "database is locked"));
  on.rollback();
  {
    sqlite::immediate_transaction guard{on.host()};
    on.sql().texts("SELECT count(*) FROM texts");
    const std::uint64_t before = on.hints();
    CHECK(on.append("a") == answers{append_status::appended});
    guard.commit();
    CHECK(on.hints() > before);
  }
  CHECK(on.seen("a") == "ready 0");
}

TEST_CASE("sqlite::store: another connection holds the lock, busy, and as before once it is let go") {
  bench on;
  on.add("a", "b");
  const auto held = on.claim(1).at(0);
  host_connection other{on.path()};
  other.run("BEGIN IMMEDIATE");

  on.sql().run("BEGIN");
  const store_refusal answer = store_refusal_of([&] { on.append("c"); });
  CHECK(answer.cause == store_errc::busy);
  CHECK(is_retryable(answer.cause));
  CHECK(contains(answer.text, "database is locked"));
  on.rollback();
  CHECK(refusal_cause([&] { on.claim(); }) == store_errc::busy);
  CHECK(refusal_cause([&] { on.settle(bench::end(held)); }) == store_errc::busy);
  CHECK(refusal_cause([&] { on.renew(held.held); }) == store_errc::busy);
  CHECK(refusal_cause([&] { on.release(held.held); }) == store_errc::busy);
  CHECK(on.seen("a") == "leased 1 until 30000");
  CHECK(on.seen("b") == "ready 0");
  CHECK(on.store().has_unfinished());

  other.run("COMMIT");
  CHECK(on.renew(held.held));
  CHECK(text_of(on.claim_one()) == "b #1");
  CHECK(on.settle(bench::end(held)) == settle_status::applied);
}

TEST_CASE("sqlite::store: a look that finds nothing to claim, no need of the lock") {
  bench on;
  on.add(due_at("a", sample_instant + 5s));
  host_connection other{on.path()};
  other.run("BEGIN IMMEDIATE");
  const exchange_result result = on.look();
  CHECK(result.claimed.empty());
  CHECK((result.next_due == sample_instant + 5s));
  CHECK(on.claim_orphans().empty());
  on.clock().advance(5s);
  CHECK(refusal_cause([&] { on.look(); }) == store_errc::busy);
}

TEST_CASE("sqlite::store: a scan under limits that finds nothing to claim, in the middle of another thread's write") {
  bench on;
  const claim_limit none[] = {{"booking.created", 0}};
  const claim_request limited{.limit = 1, .length = 30s, .limits_by_name = none};
  on.add("a", "b");
  auto writing = bench::end(on.claim(1).at(0));
  on.store().exchange({}, limited);
  bool has_looked = false;
  writing.write = [&](sqlite::connection&) {
    std::jthread{[&] { has_looked = on.store().exchange({}, limited).claimed.empty(); }}.join();
  };
  CHECK(on.settle(writing) == settle_status::applied);
  CHECK(has_looked);
}

TEST_CASE("sqlite::store: append on a full disk, the host's transaction rolled back by SQLite, then as before") {
  bench on;
  on.add("a");
  on.sql().run("PRAGMA max_page_count = 1");  // as many as there are
  const std::uint64_t before = on.hints();
  for (const bool is_batch : {false, true}) {
    on.begin();
    on.sql().run("UPDATE texts SET text = text");
    const store_refusal answer = store_refusal_of([&] { is_batch ? on.append("b", huge("c")) : on.append(huge("c")); });
    CHECK(answer.cause == store_errc::storage_full);
    CHECK(is_retryable(answer.cause));
    CHECK(contains(answer.text, "database or disk is full"));
    CHECK_FALSE(on.sql().is_in_transaction());
  }
  CHECK(on.hints() == before);
  CHECK(on.seen("b") == "gone");
  CHECK(text_of(on.claim_one()) == "a #1");
  on.sql().run("PRAGMA max_page_count = 1000000");
  on.add("b", huge("c"));
  CHECK(on.hints() > before);
  CHECK(on.claim().size() == 2);
}

namespace {

// The most pages that the library's connection may have: as many as there are, or enough.
void limit_pages(bench& on, const event_record& using_up, std::string_view pragma) {
  on.add(using_up);
  auto limiting = bench::end(on.claim_one());
  limiting.write = [pragma](sqlite::connection& writes) { writes.query(pragma, [](const sqlite::row&) {}); };
  REQUIRE(on.settle(limiting) == settle_status::applied);
}

}  // namespace

TEST_CASE("sqlite::store: exchange on a full disk, nothing of it stored, then as before") {
  bench on;
  on.add("a", "b", "c");
  const auto claims = on.claim(2);
  on.settle(bench::bury(on.claim_one()));  // c
  limit_pages(on, record_of("x"), "PRAGMA max_page_count = 1");
  const std::vector settlements{bench::retry(claims[0], 1s, "busy"), bench::end_with(claims[1], {huge("d")})};
  const store_refusal answer = store_refusal_of([&] { on.store().exchange(settlements, {10, 30s}); });
  CHECK(answer.cause == store_errc::storage_full);
  CHECK(contains(answer.text, "database or disk is full"));
  CHECK(on.seen("a") == "leased 1 until 30000");
  CHECK(on.seen("b") == "leased 1 until 30000");
  CHECK(on.seen("d") == "gone");
  CHECK(on.renew(claims[0].held));
  limit_pages(on, record_of("y"), "PRAGMA max_page_count = 1000000");
  for (const settle_result& each : on.store().exchange(settlements, {10, 30s}).settled) {
    CHECK(each.status == settle_status::applied);
  }
  CHECK(on.seen("a") == "ready 1 due 1000, 1@0 busy");
  CHECK(on.seen("d") == "leased 1 until 30000");
}

TEST_CASE("sqlite::store: a handler's write on a full disk, the fault of the disk and no failed attempt") {
  const auto fails_with = [](const char* sql) {
    bench on;
    on.sql().run("CREATE TABLE numbers (number INTEGER UNIQUE, text TEXT)");
    on.add("a");
    const auto claimed = on.claim_one();
    limit_pages(on, record_of("x"), "PRAGMA max_page_count = 1");
    auto writing = bench::end(claimed);
    writing.write = [sql](sqlite::connection& writes) { writes.execute(sql); };
    CHECK(refusal_cause([&] { on.settle(writing); }) == store_errc::storage_full);
    CHECK(on.seen("a") == "leased 1 until 30000");
    CHECK(on.renew(claimed.held));
  };
  SECTION("of one row, for which SQLite rolls everything back") {
    fails_with("INSERT INTO numbers VALUES (1, printf('%.*c', 200000, 'x'))");
  }
  SECTION("of many rows, for which SQLite undoes the statement") {
    fails_with(
        "INSERT INTO numbers WITH RECURSIVE counted (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM counted "
        "WHERE number < 100) SELECT number, printf('%.*c', 5000, 'x') FROM counted");
  }
}

TEST_CASE("sqlite::store: a handler's write that takes the transaction with it, the failure of that attempt alone") {
  struct {
    const char* sql;
    const char* error;
  } const cases[] = {
      {"ROLLBACK", "a handler's write ended the transaction of settle"},
      {"ROLLBACK; BEGIN", "a handler's write ended the transaction of settle"},
      {"ROLLBACK; BEGIN; INSERT INTO only_one VALUES (1)", "UNIQUE constraint failed"},
      {"INSERT OR ROLLBACK INTO only_one VALUES (1)", "UNIQUE constraint failed"},
      {"INSERT INTO refusing VALUES (1)", "refused by a trigger"},
  };
  for (const auto& each : cases) {
    CAPTURE(each.sql);
    bench on;
    on.sql().run("CREATE TABLE only_one (a UNIQUE); INSERT INTO only_one VALUES (1); CREATE TABLE refusing (a)");
    on.sql().run(
        "CREATE TRIGGER refuse BEFORE INSERT ON refusing "
        "BEGIN SELECT RAISE(ROLLBACK, 'refused by a trigger'); END");
    on.add("a", "b", "c");
    const auto claims = on.claim();
    auto ending = bench::end(claims[1]);
    ending.write = [&](sqlite::connection& writes) {
      char* error = nullptr;
      if (sqlite3_exec(writes.handle(), each.sql, nullptr, nullptr, &error) != SQLITE_OK) {
        const std::string said = error;
        sqlite3_free(error);
        throw std::runtime_error(said);
      }
    };
    const auto results =
        on.settle_all(bench::end_writing(claims[0], "first"), ending, bench::end_writing(claims[2], "last"));
    CHECK(results[0].status == settle_status::applied);
    CHECK(results[1].status == settle_status::write_failed);
    CHECK(contains(results[1].error, each.error));
    CHECK(results[2].status == settle_status::applied);
    CHECK(on.written() == texts{"first", "last"});
    CHECK(on.seen("b") == "leased 1 until 30000");
  }
}

TEST_CASE("sqlite::store: a handler's write that hides a full disk in an exception of its own, the disk's fault") {
  bench on;
  on.add("a");
  auto hiding = bench::end(on.claim_one());
  hiding.write = [](sqlite::connection& writes) {
    writes.query("PRAGMA max_page_count = 1", [](const sqlite::row&) {});
    try {
      writes.execute("INSERT INTO numbers VALUES (1, printf('%.*c', 200000, 'x'))");
    } catch (const store_error&) {
      throw std::runtime_error("could not save");
    }
  };
  on.sql().run("CREATE TABLE numbers (number, text)");
  CHECK(refusal_cause([&] { on.settle(hiding); }) == store_errc::storage_full);
}

TEST_CASE("sqlite::store: on_open, called with its connections, so that handlers' writes keep foreign keys") {
  bench on;
  on.sql().run("CREATE TABLE rooms (id INTEGER PRIMARY KEY); CREATE TABLE stays (room REFERENCES rooms)");
  on.close_store();
  store_options with_keys = no_waiting;
  with_keys.on_open = [](sqlite::connection& opened) { opened.execute("PRAGMA foreign_keys = ON"); };
  on.open_store(with_keys);
  on.add("a");
  auto nowhere = bench::end(on.claim_one());
  nowhere.write = [](sqlite::connection& writes) { writes.execute("INSERT INTO stays VALUES (1)"); };
  CHECK(on.settle_all(nowhere)[0].error.find("FOREIGN KEY constraint failed") != std::string::npos);
}

TEST_CASE("sqlite::store: a handler's write that SQLite refuses, the failure of that attempt alone") {
  bench on;
  on.add("a", "b");
  const auto claims = on.claim();
  auto failing = bench::end(claims[0]);
  failing.write = [](sqlite::connection& writes) {
    sqlite_fixture::leave(writes, "undone");
    writes.execute("INSERT INTO no_such_table VALUES (1)");
  };
  const auto results = on.settle_all(failing, bench::end_writing(claims[1], "kept"));
  CHECK(results[0].status == settle_status::write_failed);
  CHECK(contains(results[0].error, "no such table: no_such_table"));
  CHECK(results[1].status == settle_status::applied);
  CHECK(on.written() == texts{"kept"});
  CHECK(on.seen("a") == "leased 1 until 30000");
}

TEST_CASE("sqlite::store: refused half-way, nothing of it stored") {
  const auto refuse = [](bench& on, std::string_view when) {
    return on.sql().run(fmt::format("CREATE TRIGGER refuse BEFORE UPDATE ON event_relay_events WHEN {} "
                                    "BEGIN SELECT RAISE(ABORT, 'half-way'); END",
                                    when)
                            .c_str());
  };
  bench on;
  on.add("a", "b", "c");
  const auto claims = on.claim(2);
  SECTION("a turn that cannot claim") {
    REQUIRE(refuse(on, "old.id = 'c'") == SQLITE_OK);
    const std::vector settlements{bench::end_writing(claims[0], "never"), bench::end_with(claims[1], {record_of("d")})};
    const store_refusal answer = store_refusal_of([&] { on.store().exchange(settlements, {10, 30s}); });
    CHECK(answer.cause == store_errc::rejected);
    CHECK(contains(answer.text, "half-way"));
    CHECK(on.written().empty());
    CHECK(on.seen("d") == "gone");
  }
  SECTION("a turn that cannot recover a lease") {
    on.clock().advance(30s);
    REQUIRE(refuse(on, "old.id = 'b'") == SQLITE_OK);
    CHECK(refusal_cause([&] { on.claim(); }) == store_errc::rejected);
  }
  SECTION("renew") {
    REQUIRE(refuse(on, "old.id = 'b'") == SQLITE_OK);
    CHECK(refusal_cause([&] { on.store().renew(leases_of(claims), 1h); }) == store_errc::rejected);
  }
  SECTION("release") {
    REQUIRE(refuse(on, "old.id = 'b'") == SQLITE_OK);
    const std::uint64_t before = on.hints();
    CHECK(refusal_cause([&] { on.store().release(leases_of(claims)); }) == store_errc::rejected);
    CHECK(on.hints() == before);
  }
  CHECK(on.seen("a") == "leased 1 until 30000");
  CHECK(on.seen("b") == "leased 1 until 30000");
  CHECK(on.seen("c") == "ready 0");
  on.sql().run("DROP TRIGGER refuse");
  CHECK(on.store().renew(leases_of(claims), 1h) == std::vector<bool>{true, true});
}

TEST_CASE("sqlite::store: append on a connection that must not write, read-only") {
  bench on;
  on.sql().run("PRAGMA query_only = ON; BEGIN");
  const store_refusal answer = store_refusal_of([&] { on.append("a"); });
  CHECK(answer.cause == store_errc::read_only);
  CHECK(contains(answer.text, "attempt to write a readonly database"));
  on.sql().run("ROLLBACK; PRAGMA query_only = OFF");
  on.add("a");
  CHECK(on.seen("a") == "ready 0");
}

TEST_CASE("sqlite::store: a file that cannot be written, refused when it is opened or where it is to be written") {
  temporary_folder folder;
  const std::string path = folder / "outbox.sqlite";
  const testing::manual_clock clock{sample_instant};
  {
    sqlite_store store{path, no_waiting, clock};
    host_connection host{path};
    const event_record record = record_of("a");
    host.run("BEGIN");
    store.append(host.get(), {&record, 1});
    host.run("COMMIT");
  }
  using std::filesystem::perms;
  const auto read_only = perms::owner_read | perms::group_read | perms::others_read;
  const auto passable = read_only | perms::owner_exec | perms::group_exec | perms::others_exec;
  std::filesystem::permissions(path, read_only);
  const auto open_and_claim = [&] {
    const as_nobody reader;
    sqlite_store store{path, no_waiting, clock};
    store.exchange({}, {1, 30s});
  };
  SECTION("neither the file nor its folder") {
    std::filesystem::permissions(folder.path(), passable);
    CHECK(refusal_cause(open_and_claim) == store_errc::read_only);
  }
  SECTION("the file alone") {
    std::filesystem::permissions(folder.path(), perms::all);
    CHECK(refusal_cause(open_and_claim) == store_errc::read_only);
  }
  SECTION("the file alone, as soon as it is opened") {
    std::filesystem::permissions(folder.path(), perms::all);
    const as_nobody reader;
    CHECK(refusal_cause([&] { sqlite_store{path, no_waiting, clock}; }) == store_errc::read_only);
  }
  std::filesystem::permissions(folder.path(), perms::owner_all);
  for (const auto& each : std::filesystem::directory_iterator{folder.path()}) {
    std::filesystem::permissions(each, read_only | perms::owner_write);
  }
  CHECK(refusal_cause([&] { sqlite_store{path, no_waiting, clock}.exchange({}, {1, 30s}); }) == std::error_code{});
}

TEST_CASE("sqlite::store: a file that is no database or a damaged one, corrupt") {
  temporary_folder folder;
  const std::string path = folder / "outbox.sqlite";
  SECTION("no database") {
    std::ofstream{path} << std::string(10'000, 'x');
    const store_refusal answer = store_refusal_of([&] { sqlite::store<>{path, no_waiting}; });
    CHECK(answer.cause == store_errc::corrupt);
    CHECK(contains(answer.text, "file is not a database"));
    CHECK_FALSE(is_retryable(answer.cause));
  }
  SECTION("damaged") {
    { sqlite::store<>{path, no_waiting}; }
    std::fstream{path, std::ios::in | std::ios::out | std::ios::binary}.seekp(4'096) << std::string(100'000, 'x');
    const store_refusal answer = store_refusal_of([&] { sqlite::store<>{path, no_waiting}.exchange({}, {1, 30s}); });
    CHECK(answer.cause == store_errc::corrupt);
    CHECK(contains(answer.text, "malformed"));
  }
}

TEST_CASE("sqlite::store: a file that cannot be put into WAL mode, refused") {
  temporary_folder folder;
  const std::string path = folder / "outbox.sqlite";
  SECTION("because SQLite runs where memory cannot be shared") {
    sqlite3_vfs* const usual = sqlite3_vfs_find(nullptr);
    REQUIRE(sqlite3_vfs_register(sqlite3_vfs_find("unix-dotfile"), 1) == SQLITE_OK);
    const store_refusal answer = store_refusal_of([&] { sqlite::store<>{path, no_waiting}; });
    sqlite3_vfs_register(usual, 1);
    CHECK(answer.cause == store_errc::rejected);
    CHECK(contains(answer.text, "WAL"));
    CHECK(contains(answer.text, path));
  }
  SECTION("because another connection reads it just now") {
    host_connection host{path};
    host.run("CREATE TABLE texts (text TEXT); BEGIN");
    host.texts("SELECT count(*) FROM texts");
    CHECK(refusal_cause([&] { sqlite::store<>{path, no_waiting}; }) == store_errc::busy);
    host.run("COMMIT");
    CHECK(refusal_cause([&] { sqlite::store<>{path, no_waiting}; }) == std::error_code{});
    CHECK(host.texts("SELECT count(*) FROM texts") == texts{"0"});
    CHECK(host.texts("PRAGMA journal_mode") == texts{"wal"});
  }
}

TEST_CASE("sqlite::store: opened while another connection writes a file that is not in WAL mode, waits for it") {
  // Ends the other's transaction at the first statement of the store's connection after the switch was refused.
  struct other_connection {
    sqlite3* host;
    bool was_asked = false;

    static other_connection& current() {
      static other_connection one{};
      return one;
    }
    static int watch(sqlite3* opened, char**, const sqlite3_api_routines*) {
      return sqlite3_trace_v2(opened, SQLITE_TRACE_STMT, &other_connection::on_statement, nullptr);
    }
    static int on_statement(unsigned, void*, void*, void* sql) {
      other_connection& self = current();
      if (self.was_asked) {
        sqlite3_exec(self.host, "COMMIT", nullptr, nullptr, nullptr);
      }
      self.was_asked = self.was_asked || contains(static_cast<const char*>(sql), "journal_mode");
      return 0;
    }
  };
  temporary_folder folder;
  const std::string path = folder / "outbox.sqlite";
  host_connection host{path};
  host.run("CREATE TABLE texts (text TEXT); BEGIN IMMEDIATE; INSERT INTO texts VALUES ('booking')");
  other_connection::current() = {host.get()};
  const auto watch = reinterpret_cast<void (*)()>(&other_connection::watch);
  REQUIRE(sqlite3_auto_extension(watch) == SQLITE_OK);
  const store_refusal answer = store_refusal_of([&] { sqlite::store<>{path, {.busy_timeout = 1min}}; });
  sqlite3_cancel_auto_extension(watch);
  CHECK(answer.text == "not refused");
  CHECK(host.texts("SELECT text FROM texts") == texts{"booking"});
}

TEST_CASE("sqlite::store: tables of a later version or of somebody else, refused and left alone") {
  struct row {
    const char* made;
    store_errc expected;
    const char* said;
  };
  const row rows[] = {
      {"CREATE TABLE event_relay_outbox (version INTEGER, more TEXT); INSERT INTO event_relay_outbox VALUES (99, '')",
       store_errc::newer_schema, "99"},
      {"CREATE TABLE event_relay_outbox (name TEXT)", store_errc::foreign_schema, "event_relay_outbox"},
      {"CREATE TABLE event_relay_events (name TEXT)", store_errc::foreign_schema, "event_relay_events"},
      {"CREATE TABLE event_relay_failures (name TEXT)", store_errc::foreign_schema, "event_relay_failures"},
  };
  for (const row& each : rows) {
    temporary_folder folder;
    const std::string path = folder / "outbox.sqlite";
    host_connection host{path};
    host.run(each.made);
    const texts before = host.texts("SELECT sql FROM sqlite_schema");
    const store_refusal answer = store_refusal_of([&] { sqlite::store<>{path, no_waiting}; });
    CHECK(answer.cause == each.expected);
    CHECK(contains(answer.text, each.said));
    CHECK_FALSE(is_retryable(answer.cause));
    CHECK(host.texts("SELECT sql FROM sqlite_schema") == before);
  }
}

// ---- The file ----

TEST_CASE("sqlite::store: opened again, everything as it was and nothing made anew") {
  bench on;
  on.add("a", "b", "c", "d");
  const auto claims = on.claim(3);
  on.settle_all(bench::retry(claims[0], 5s, "busy"), bench::bury(claims[1], dead_letter_reason::rejected, "never"));
  const std::uint64_t token = claims[2].held.token;
  const texts version = on.sql().texts("PRAGMA schema_version");
  on.close_store();
  on.open_store();
  CHECK(on.sql().texts("PRAGMA schema_version") == version);
  CHECK(on.seen("a") == "ready 1 due 5000, 1@0 busy");
  CHECK(on.seen("b") == "dead-letter 1 rejected at 0, 1@0 never");
  CHECK(on.seen("c") == "leased 1 until 30000");
  CHECK(on.claim_one().held.token > token);
  CHECK(on.settle(bench::end(claims[2])) == settle_status::applied);
}

TEST_CASE("sqlite::store: opened with fewer failures to keep, the older ones gone with the next") {
  bench on;
  on.add("a");
  for (int attempt = 1; attempt <= 4; ++attempt) {
    on.settle(bench::retry(on.claim_one(), 0ms, "busy"));
  }
  store_options one = no_waiting;
  one.failures_kept = 1;
  on.close_store();
  on.open_store(one);
  CHECK(on.store().find("a")->failures.size() == 4);
  on.settle(bench::retry(on.claim_one(), 0ms, "last"));
  CHECK(on.seen("a") == "ready 5, 5@0 last");
}

TEST_CASE("sqlite::store: opened with no failures to keep, those of a processed event gone with it") {
  bench on;
  on.add("a");
  on.settle(bench::retry(on.claim_one(), 0ms, "busy"));
  store_options none = no_waiting;
  none.failures_kept = 0;
  on.close_store();
  on.open_store(none);
  on.settle(bench::end(on.claim_one()));
  CHECK(on.sql().texts("SELECT count(*) FROM event_relay_failures") == texts{"0"});
  on.close_store();
  on.open_store();
  on.add("b");
  CHECK(on.settle(bench::retry(on.claim_one(), 0ms, "its own")) == settle_status::applied);
  CHECK(on.seen("b") == "ready 1, 1@0 its own");
}

TEST_CASE("sqlite::store: an event removed behind the library's back, its failures in nobody's way") {
  bench on;
  on.add("a");
  on.settle(bench::retry(on.claim_one(), 0ms, "busy"));
  on.sql().run("DELETE FROM event_relay_events");
  SECTION("the next one at its row fails") {
    on.add("b");
    CHECK(on.settle(bench::retry(on.claim_one(), 0ms, "its own")) == settle_status::applied);
    CHECK(on.seen("b") == "ready 1, 1@0 its own");
  }
  SECTION("the next one at its row crashes") {
    on.orphan("b");
    on.clock().advance(bench::lease_length);
    CHECK(text_of(on.claim_orphan()) == "b #2 isolated crashed");
    CHECK(on.store().find("b")->failures == std::vector<failure_record>{{1, sample_instant + 60s, "lease expired"}});
  }
}

TEST_CASE("sqlite::store: the host's database, with its tables, put into WAL mode and left otherwise as it was") {
  temporary_folder folder;
  const std::string path = folder / "host.sqlite";
  host_connection host{path};
  host.run(
      "PRAGMA page_size = 8192; CREATE TABLE bookings (id TEXT); INSERT INTO bookings VALUES ('booking-1'); "
      "PRAGMA user_version = 7; PRAGMA application_id = 8");
  { sqlite::store<>{path, no_waiting}; }
  CHECK(host.texts("SELECT id FROM bookings") == texts{"booking-1"});
  CHECK(host.texts("PRAGMA journal_mode") == texts{"wal"});
  CHECK(host.texts("PRAGMA page_size") == texts{"8192"});
  CHECK(host.texts("PRAGMA user_version") == texts{"7"});
  CHECK(host.texts("PRAGMA application_id") == texts{"8"});
}

TEST_CASE("sqlite::store: its options, in effect on the library's own connection") {
  // "synchronous, busy timeout", as a handler's write finds them.
  const auto settings_with = [](store_options options) {
    bench on;
    on.close_store();
    on.open_store(options);
    on.add("a");
    std::string found;
    auto looking = bench::end(on.claim_one());
    looking.write = [&](sqlite::connection& writes) {
      found =
          fmt::format("{}, {}", writes.integer("PRAGMA synchronous", -1), writes.integer("PRAGMA busy_timeout", -1));
    };
    on.settle(looking);
    return found;
  };
  CHECK(settings_with({}) == "2, 5000");
  CHECK(settings_with({.durability = sqlite::synchronous::full, .busy_timeout = 0ms}) == "2, 0");
  CHECK(settings_with({.durability = sqlite::synchronous::normal, .busy_timeout = 1min}) == "1, 60000");
}

// ---- Processes and threads that share a file ----

TEST_CASE("sqlite::store: another process appends, seen by this one") {
  temporary_folder folder;
  const std::string path = folder / "outbox.sqlite";
  const testing::manual_clock clock{sample_instant};
  second_process other{[&](auto) {
    sqlite_store store{path, no_waiting, clock};
    host_connection host{path};
    const event_record record = record_of("a");
    host.run("BEGIN IMMEDIATE");
    store.append(host.get(), {&record, 1});
    host.run("COMMIT");
  }};
  REQUIRE(other.exit_status() == 0);
  sqlite_store store{path, no_waiting, clock};
  CHECK(texts_of(store.exchange({}, {10, 30s}).claimed) == texts{"a #1"});
}

TEST_CASE("sqlite::store: another process claims, its events held by it alone while its leases last") {
  temporary_folder folder;
  const std::string path = folder / "outbox.sqlite";
  testing::manual_clock clock{sample_instant};
  second_process other{[&](auto wait) {
    auto& store = *new sqlite_store{path, no_waiting, clock};  // never closed, as in a crash
    host_connection host{path};
    const std::vector records{record_of("a"), record_of("b"), record_of("c")};
    host.run("BEGIN IMMEDIATE");
    store.append(host.get(), records);
    host.run("COMMIT");
    const auto claims = store.exchange({}, {2, 30s}).claimed;
    wait();
    const std::vector ended{bench::end(claims.at(0))};
    if (settle(store, std::span{ended}).at(0).status != settle_status::applied) {
      throw std::runtime_error{"stale"};
    }
  }};
  sqlite_store store{path, no_waiting, clock};
  const std::uint64_t before = store.find("b")->token;
  const auto mine = store.exchange({}, {10, 30s}).claimed;
  CHECK(texts_of(mine) == texts{"c #1"});
  CHECK(mine.at(0).held.token > before);

  if (std::ifstream{"/proc/locks"} && sqlite::has_wal_reset_fault(sqlite3_libversion_number())) {
    const auto said = store.warning();
    REQUIRE(said.has_value());
    CHECK(contains(*said, path));
    CHECK(contains(*said, sqlite3_libversion()));
  }
  CHECK_FALSE(store.warning().has_value());

  REQUIRE(other.exit_status() == 0);
  CHECK_FALSE(store.find("a").has_value());
  CHECK(text_of(store.find("b")) == "leased 1 until 30000");
  clock.advance(29s);
  store.renew(std::vector{mine.at(0).held}, 30s);
  clock.advance(1s);
  CHECK(texts_of(store.exchange({}, {10, 30s, claim_kind::orphan}).claimed) == texts{"b #1 isolated"});
}

TEST_CASE("sqlite::store: alone at its file, no warning") {
  bench on;
  CHECK_FALSE(on.store().warning().has_value());
}

TEST_CASE("sqlite::store: two stores of one file and a host, each on a thread of its own: each event ended once") {
  constexpr std::size_t events = 30;
  const store_options patient{.durability = sqlite::synchronous::normal, .busy_timeout = 1min};
  bench on;
  on.close_store();
  on.open_store(patient);
  sqlite3_busy_timeout(on.host(), 60'000);
  sqlite_store second{on.path(), patient, on.clock()};
  std::mutex mutex;
  std::set<std::pair<std::string, attempt_number>> attempts;
  std::set<std::uint64_t> tokens;
  std::set<std::string> faults;
  const auto expect = [&](bool is_so, const char* otherwise) {
    if (!is_so) {
      faults.insert(otherwise);
    }
  };
  std::latch start{3};
  const auto step = [&](sqlite_store& store) {
    const auto claims = store.exchange({}, {4, 30s}).claimed;
    std::vector<bench::settlement> settlements;
    for (const claimed_event& each : claims) {
      settlements.push_back(each.attempt == 1 ? bench::retry(each, 0ms, "first") : bench::end(each));
    }
    const auto results = settle(store, std::span<const bench::settlement>{settlements});
    const std::lock_guard lock{mutex};
    for (std::size_t at = 0; at < claims.size(); ++at) {
      expect(attempts.insert({claims[at].record.id, claims[at].attempt}).second, "attempted twice");
      expect(claims[at].attempt == 1 || claims[at].attempt == 2, "attempted too often or too seldom");
      expect(results[at].status == settle_status::applied, "not applied");
    }
    expect(claims.empty() || tokens.insert(claims.front().held.token).second, "one token twice");
    return !faults.empty() || attempts.size() == 2 * events;
  };
  const auto work = [&](sqlite_store& store) {
    start.arrive_and_wait();
    try {
      while (!step(store)) {
      }
    } catch (const std::exception& error) {
      const std::lock_guard lock{mutex};
      faults.insert(error.what());
    }
  };
  {
    std::jthread one{[&] { work(on.store()); }};
    std::jthread two{[&] { work(second); }};
    start.arrive_and_wait();
    for (std::size_t each = 0; each < events; ++each) {
      on.add(fmt::format("evt-{}", each));
    }
  }
  CHECK(faults == std::set<std::string>{});
  CHECK(attempts.size() == 2 * events);
  CHECK_FALSE(on.store().has_unfinished());
}
