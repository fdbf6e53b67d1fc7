// SPDX-License-Identifier: MIT
// The store in an SQLite file: dead letters and metrics, as in every store, and what is SQLite's alone: rows of
// failures that go with their event, operations that fail half-way, and answers of one instant.
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <sqlite3.h>

#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/queue_metrics.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/store.hpp"
#include "event_relay/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/dead_letter_contract.hpp"
#include "support/sample_events.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using sqlite_store = sqlite::store<testing::manual_clock>;

class sqlite_fixture {
 public:
  using store_type = sqlite_store;

  explicit sqlite_fixture(std::uint32_t failures_kept = 10)
      : host_{path(), 0ms},
        store_{path(),
               {.durability = sqlite::synchronous::normal,
                .busy_timeout = 0ms,
                .failures_kept = failures_kept,
                .on_open = [this](sqlite::connection& opened) { watch(opened); }},
               clock_} {
    host_.execute("PRAGMA synchronous = OFF");
    host_.execute("CREATE TABLE texts (text TEXT)");
  }

  sqlite_store& store() { return store_; }
  testing::manual_clock& clock() { return clock_; }
  sqlite3* host() { return host_.handle(); }
  void begin() { host_.execute("BEGIN IMMEDIATE"); }
  void commit() { host_.execute("COMMIT"); }
  void rollback() { host_.execute("ROLLBACK"); }

  static void leave(sqlite::connection& writes, const std::string& text) {
    writes.execute("INSERT INTO texts VALUES (?)", text);
  }
  std::vector<std::string> written() {
    std::vector<std::string> texts;
    host_.query("SELECT text FROM texts ORDER BY rowid",
                [&](const sqlite::row& each) { texts.emplace_back(each.text(0)); });
    return texts;
  }

  // ---- SQLite's alone ----

  std::string path() const { return folder_ / "host.sqlite"; }
  sqlite::connection& sql() { return host_; }
  std::int64_t failure_rows() { return host_.integer("SELECT count(*) FROM event_relay_failures", -1); }

  /// Calls `what` once, before a connection of the store runs the next statement whose text holds `part`.
  void before(std::string_view part, std::function<void()> what) {
    part_ = part;
    what_ = std::move(what);
  }
  bool has_happened() const { return !what_; }

 private:
  void watch(sqlite::connection& opened) {
    const auto look = [](unsigned, void* self, void*, void* text) {
      static_cast<sqlite_fixture*>(self)->on_statement(static_cast<const char*>(text));
      return 0;
    };
    sqlite3_trace_v2(opened.handle(), SQLITE_TRACE_STMT, look, this);
  }
  void on_statement(std::string_view text) {
    if (what_ && contains(text, part_)) {
      const auto once = std::exchange(what_, nullptr);
      once();
    }
  }

  temporary_folder folder_;
  testing::manual_clock clock_{sample_instant};
  std::string part_;
  std::function<void()> what_;
  sqlite::connection host_;  // first and last, and never in need of the disk, so that the tests are fast
  sqlite_store store_;
};

using bench = dead_letter_bench<sqlite_fixture>;

[[maybe_unused]] const bool is_registered = register_dead_letter_contract<sqlite_fixture, 10'000>("sqlite::store");

static_assert(dead_letter_store<sqlite_store>);
static_assert(dead_letter_store<sqlite::store<>>);
static_assert(!dead_letter_store<sqlite::connection>);
static_assert(metrics_store<sqlite_store>);
static_assert(metrics_store<sqlite::store<>>);
static_assert(!metrics_store<sqlite::connection>);

}  // namespace

TEST_CASE("sqlite::store: the rows of failures, kept through redrives, gone with the purge or the end of their event") {
  bench on;
  on.add("a");
  on.fail_until_dead({"one", "two"});
  on.add("b");
  on.fail_until_dead({"three"});
  CHECK(on.failure_rows() == 3);
  on.redrive("a");
  on.redrive("b");
  CHECK(on.failure_rows() == 3);
  on.settle(bench::told_end(on.claim(1).at(0)));
  on.bury_ready();
  CHECK(on.seen("a") == "gone");
  CHECK(on.failure_rows() == 1);
  CHECK(on.letters.purge({}, run_kind::dry) == 1);
  CHECK(on.failure_rows() == 1);
  CHECK(on.letters.purge({}) == 1);
  CHECK(on.failure_rows() == 0);
}

TEST_CASE("sqlite::store: a redrive or a purge that fails half-way, nothing changed, and works again afterwards") {
  bench on;
  for (const char* id : {"a", "b", "c"}) {
    on.add(id);
    on.fail_until_dead({"busy"});
  }
  on.sql().execute(
      "CREATE TRIGGER refuse_redrive BEFORE UPDATE ON event_relay_events WHEN new.id = 'b' "
      "BEGIN SELECT RAISE(ABORT, 'told to fail'); END");
  on.sql().execute(
      "CREATE TRIGGER refuse_purge BEFORE DELETE ON event_relay_events WHEN old.id = 'b' "
      "BEGIN SELECT RAISE(ABORT, 'told to fail'); END");
  for (const store_refusal& answer :
       {store_refusal_of([&] {
          on.redrive_ids({"a", "b", "c"});
        }),
        store_refusal_of([&] { on.letters.redrive(dead_letter_filter{}); }), store_refusal_of([&] {
          on.purge({"a", "b", "c"});
        }),
        store_refusal_of([&] { on.letters.purge({}); })}) {
    CHECK(contains(answer.text, "told to fail"));
  }
  CHECK(on.listed() == "a b c");
  CHECK(on.failure_rows() == 3);
  on.sql().execute("DROP TRIGGER refuse_redrive");
  on.sql().execute("DROP TRIGGER refuse_purge");
  CHECK(on.redrive("b"));
  CHECK(on.letters.purge({}) == 2);
  CHECK(on.ids_claimed() == "b");
}

TEST_CASE("sqlite::store: while the host writes, dead letters and metrics are seen as they were committed") {
  bench on;
  on.add_dead("a");
  on.begin();
  on.append("b");
  CHECK(on.listed() == "a");
  CHECK(on.counts() == "0 ready, 0 scheduled, 0 leased, 0 orphans, 0 blocked, 1 dead, 0 held, lag -");
  CHECK(refusal_cause([&] { on.redrive("a"); }) == store_errc::busy);
  CHECK(refusal_cause([&] { on.purge({"a"}); }) == store_errc::busy);
  on.commit();
  CHECK(on.redrive("a"));
}

TEST_CASE("sqlite::store: the file opened again, outcomes, dead letters and their histories as they were") {
  bench on;
  on.add("a");
  on.fail_until_dead({"one", "two"});
  sqlite_store second{on.path(), {}, on.clock()};
  CHECK((second.metrics() == on.store().metrics()));
  CHECK(outcomes_of(second.metrics()) == "booking.created: 2 attempts, 0 processed, 1 retried, 1 dead");
  CHECK(text_of(second.dead_letters({}, std::nullopt, 1).events.at(0)) == on.seen("a"));
  CHECK(second.redrive(std::vector<redrive_request>{{"a", on.now()}}) == std::vector<bool>{true});
  CHECK_FALSE(on.redrive("a"));
}

TEST_CASE("sqlite::store: while an operator reads, another thread's exchange that finds nothing to claim goes on") {
  bench on;
  on.add("a");
  on.fail_until_dead({"busy"});
  bool has_looked = false;
  const auto idle_exchange = [&] { std::jthread{[&] { has_looked = on.claim().empty(); }}.join(); };
  SECTION("dead letters") {
    on.before("FROM main.event_relay_failures", idle_exchange);
    CHECK(on.listed() == "a");
  }
  SECTION("metrics") {
    on.before("FROM main.event_relay_outcomes", idle_exchange);
    CHECK(on.store().metrics().dead_letters == 1);
  }
  SECTION("an event") {
    on.before("FROM main.event_relay_failures", idle_exchange);
    CHECK(on.letters.show("a").has_value());
  }
  CHECK(has_looked);
}

TEST_CASE("sqlite::store: another process commits between two statements of an answer, the answer is of one instant") {
  bench on;
  sqlite_store other{on.path(), {}, on.clock()};
  SECTION("metrics, an event that is claimed meanwhile") {
    on.add("a");
    on.before("state = 1", [&] { other.exchange({}, {1, 30s}); });
    const queue_metrics metrics = on.store().metrics();
    CHECK(on.has_happened());
    CHECK(metrics.ready + metrics.leased == 1);
  }
  SECTION("a page, of which one is purged meanwhile") {
    on.add("a");
    on.fail_until_dead({"busy"});
    on.before("FROM main.event_relay_failures", [&] { other.purge(std::vector<std::string>{"a"}); });
    const dead_letter_page page = on.page(std::nullopt, 1);
    CHECK(on.has_happened());
    REQUIRE(page.events.size() == 1);
    CHECK(page.events.front().failures.size() == 1);
  }
  SECTION("an event shown, which is purged meanwhile") {
    on.add("a");
    on.fail_until_dead({"busy"});
    on.before("FROM main.event_relay_failures", [&] { other.purge(std::vector<std::string>{"a"}); });
    const auto shown = on.letters.show("a");
    CHECK(on.has_happened());
    REQUIRE(shown.has_value());
    CHECK(shown->failures.size() == 1);
  }
}
