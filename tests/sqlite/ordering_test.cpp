// SPDX-License-Identifier: MIT
// Ordering keys in an SQLite file: what a fault has left is repaired by the sweep, the database itself refuses a
// second head, and two stores of one file keep the order between them.
#include "event_relay/sqlite/key_order.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <latch>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/store.hpp"
#include "event_relay/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using sqlite_store = sqlite::store<testing::manual_clock>;

static_assert(dead_letter_store<sqlite_store>);

sqlite::store_options options_with(std::chrono::milliseconds busy_timeout) {
  return {.durability = sqlite::synchronous::normal, .busy_timeout = busy_timeout};
}

// A store that never waits, and a host that may write whatever it likes into its tables.
class tampered_fixture {
 public:
  using store_type = sqlite_store;

  sqlite_store& store() { return store_; }
  testing::manual_clock& clock() { return clock_; }
  sqlite3* host() { return sql_.handle(); }
  void begin() { sql_.execute("BEGIN IMMEDIATE"); }
  void commit() { sql_.execute("COMMIT"); }
  void rollback() { sql_.execute("ROLLBACK"); }
  static void leave(sqlite::connection&, const std::string&) {}

  std::string path() const { return folder_ / "outbox.sqlite"; }
  sqlite::connection& sql() { return sql_; }
  // As by somebody who knows nothing of heads.
  void remove(const std::string& id) { sql_.execute("DELETE FROM event_relay_events WHERE id = ?", id); }

 private:
  temporary_folder folder_;
  testing::manual_clock clock_{sample_instant};
  sqlite_store store_{path(), options_with(0ms), clock_};
  sqlite::connection sql_{path(), 0ms};
};

using bench = store_bench<tampered_fixture>;

// "key-0" to "key-<count - 1>", each with a head that was removed and one event behind it.
void add_headless_keys(bench& on, int count) {
  for (int each = 0; each < count; ++each) {
    on.add(keyed(fmt::format("head-{}", each), fmt::format("key-{}", each)),
           keyed(fmt::format("next-{}", each), fmt::format("key-{}", each)));
    on.remove(fmt::format("head-{}", each));
  }
}

std::int64_t free_keys(bench& on) {
  return on.sql().integer("SELECT count(*) FROM event_relay_events WHERE state = 0 AND heads_key = ordering_key", 0);
}

}  // namespace

TEST_CASE("sqlite::ordering: a head removed behind the library's back, the sweep frees the next one alone") {
  for (const bool is_leased : {false, true}) {
    bench on;
    on.add(keyed("a"), keyed("b"), keyed("c"));
    if (is_leased) {
      on.claim_one();
    }
    on.remove("a");
    CHECK(on.claim().empty());
    on.add(keyed("d"));
    CHECK(on.seen("d") == "blocked 0");  // it must not overtake
    on.store().maintain(10);
    CHECK(on.seen("b") == "ready 0");
    CHECK(on.seen("c") == "blocked 0");
    for (const char* const next : {"b #1", "c #1", "d #1"}) {
      const auto claimed = on.claim_one();
      CHECK(text_of(claimed) == next);
      on.settle(bench::end(claimed));
    }
  }
}

TEST_CASE("sqlite::ordering: a dead letter that held its key, removed behind the library's back: swept as well") {
  bench on;
  on.add(keyed("a"), keyed("b"));
  on.settle(bench::bury_holding(on.claim_one()));
  on.store().maintain(10);
  CHECK(on.seen("b") == "blocked 0");
  on.remove("a");
  on.store().maintain(10);
  CHECK(on.seen("b") == "ready 0");
}

TEST_CASE("sqlite::ordering: sweep, so many keys at a call, and others at each") {
  bench on;
  add_headless_keys(on, 7);
  on.store().maintain(0);
  CHECK(free_keys(on) == 0);
  for (const std::int64_t free : {3, 6, 7}) {
    on.store().maintain(3);
    CHECK(free_keys(on) == free);
  }
  CHECK(on.claim().size() == 7);
}

TEST_CASE("sqlite::ordering: sweep, from the first key again after the last") {
  bench on;
  add_headless_keys(on, 2);
  on.store().maintain(10);
  CHECK(free_keys(on) == 2);
  on.add(keyed("x", "a key before them"), keyed("y", "a key before them"));
  on.remove("x");
  on.store().maintain(10);
  CHECK(on.seen("y") == "ready 0");
}

TEST_CASE("sqlite::ordering: sweep, a key that is well and full costs one of its call's keys") {
  bench on;
  for (int each = 0; each < 20; ++each) {
    on.add(keyed(fmt::format("well-{}", each), "a"));
  }
  add_headless_keys(on, 1);
  on.store().maintain(1);
  CHECK(free_keys(on) == 1);
  on.store().maintain(1);
  CHECK(on.seen("next-0") == "ready 0");
  CHECK(on.seen("well-1") == "blocked 0");
}

TEST_CASE("sqlite::ordering: sweep, a later event that a fault made the head: the first one is") {
  bench on;
  on.add(keyed("a"), keyed("b"), keyed("c"));
  on.sql().execute("UPDATE event_relay_events SET state = 4, heads_key = NULL WHERE id = 'a'");
  on.sql().execute("UPDATE event_relay_events SET state = 0, heads_key = ordering_key WHERE id = 'c'");
  on.store().maintain(10);
  CHECK(on.seen("a") == "ready 0");
  CHECK(on.seen("c") == "blocked 0");
  CHECK(free_keys(on) == 1);
}

TEST_CASE("sqlite::ordering: sweep, nothing blocked: no lock is taken") {
  bench on;
  on.add(keyed("a"), "u");
  on.begin();
  CHECK(refusal_cause([&] { on.store().maintain(10); }) == std::error_code{});
  on.commit();
}

TEST_CASE("sqlite::ordering: a second head of a key, refused by the database itself") {
  bench on;
  on.add(keyed("a"), keyed("b"));
  const auto make_head = [&](const char* id) {
    return refusal_cause([&] {
      on.sql().execute("UPDATE event_relay_events SET state = 0, heads_key = ordering_key WHERE id = ?",
                       std::string{id});
    });
  };
  CHECK(make_head("b") == store_errc::rejected);
  on.claim_one();
  CHECK(make_head("b") == store_errc::rejected);
  on.clock().advance(30s);
  on.look();
  CHECK(make_head("b") == store_errc::rejected);
  on.settle(bench::bury_holding(on.claim_orphan()));
  CHECK(make_head("b") == store_errc::rejected);
  CHECK(on.seen("b") == "blocked 0");
}

TEST_CASE("sqlite::ordering: ready, leased or orphan without being the head, refused by the database itself") {
  bench on;
  on.add(keyed("a"), keyed("b"));
  on.claim_one();
  for (const int state : {0, 1, 2}) {
    INFO(state);
    for (const char* const sql : {"UPDATE event_relay_events SET state = ? WHERE id = 'b'",
                                  "UPDATE event_relay_events SET state = ?, heads_key = 'another' WHERE id = 'b'",
                                  "UPDATE event_relay_events SET state = ?, heads_key = NULL WHERE id = 'a'"}) {
      CHECK(refusal_cause([&] { on.sql().execute(sql, state); }) == store_errc::rejected);
    }
  }
  CHECK(on.seen("a") == "leased 1 until 30000");
  CHECK(on.seen("b") == "blocked 0");
}

TEST_CASE("sqlite::ordering: a part of the host's transaction undone, the next append has its place") {
  bench on;
  on.begin();
  on.sql().execute("SAVEPOINT part");
  on.append(keyed("a"), keyed("b"));
  on.sql().execute("ROLLBACK TO part");
  on.append(keyed("c"));
  on.append(keyed("d"));
  on.commit();
  CHECK(on.seen("a") == "gone");
  CHECK(on.seen("c") == "ready 0");
  CHECK(on.seen("d") == "blocked 0");
}

TEST_CASE("sqlite::ordering: opened again, heads, held keys and what waits are as they were") {
  bench on;
  on.add(keyed("a"), keyed("b"), keyed("x", "held"), keyed("y", "held"));
  const auto claims = on.claim();
  on.settle_all(bench::retry(claims.at(0), 10s), bench::bury_holding(claims.at(1)));
  sqlite_store second{on.path(), options_with(0ms), on.clock()};
  CHECK(second.exchange({}, {10, 30s}).claimed.empty());
  CHECK(text_of(second.find("x")) == "dead-letter 1 max-attempts-exhausted at 0 holding");
  on.clock().advance(10s);
  CHECK(texts_of(second.exchange({}, {10, 30s}).claimed) == std::vector<std::string>{"a #2"});
  CHECK(on.claim().empty());
  const std::vector<std::string> held{"x"};
  CHECK(second.purge(held) == 1);
  CHECK(texts_of(on.claim()) == std::vector<std::string>{"y #1"});
}

TEST_CASE("sqlite::ordering: the heads alone are in the index that claims read") {
  bench on;
  on.add(keyed("a"), keyed("b"), keyed("c"), "u");
  std::string plan;
  on.sql().query(
      "EXPLAIN QUERY PLAN SELECT row FROM event_relay_events WHERE state = 0 AND available_at <= 0 "
      "ORDER BY available_at, row",
      [&](const sqlite::row& at) { plan += at.text(3); });
  CHECK(contains(plan, "event_relay_ready"));
  CHECK(on.sql().integer("SELECT count(*) FROM event_relay_events WHERE state = 0", 0) == 2);
}

TEST_CASE("sqlite::ordering: two stores of one file, each on a thread of its own: no two of a key at a time") {
  constexpr std::size_t events = 40;
  bench on;
  for (std::size_t each = 0; each < events; ++each) {
    on.add(keyed(fmt::format("{:02}", each), fmt::format("key-{}", each % 4)));
  }
  sqlite_store first{on.path(), options_with(1min), on.clock()};
  sqlite_store second{on.path(), options_with(1min), on.clock()};
  std::mutex mutex;
  std::set<std::string> running;
  std::map<std::string, std::string> last;  // of each key, the event that ended last
  std::set<std::string> faults;
  std::latch start{2};
  const auto step = [&](sqlite_store& store) {
    const auto claims = store.exchange({}, {3, 30s}).claimed;
    std::vector<bench::settlement> settlements;
    {
      const std::lock_guard lock{mutex};
      for (const claimed_event& each : claims) {
        if (!running.insert(each.record.ordering_key).second) {
          faults.insert(each.record.id + " beside another of its key");
        }
        if (last[each.record.ordering_key] >= each.record.id) {
          faults.insert(each.record.id + " out of order");
        }
      }
    }
    {
      const std::lock_guard lock{mutex};
      for (const claimed_event& each : claims) {
        running.erase(each.record.ordering_key);
        const bool is_again = each.attempt == 1 && each.record.id.back() == '3';
        settlements.push_back(is_again ? bench::retry(each) : bench::end(each));
        if (!is_again) {
          last[each.record.ordering_key] = each.record.id;
        }
      }
    }
    for (const settle_result& each : settle(store, std::span<const bench::settlement>{settlements})) {
      const std::lock_guard lock{mutex};
      if (each.status != settle_status::applied) {
        faults.insert("not applied");
      }
    }
    const bool is_done = !store.has_unfinished();
    const std::lock_guard lock{mutex};
    return !faults.empty() || is_done;
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
    std::jthread one{[&] { work(first); }};
    std::jthread two{[&] { work(second); }};
  }
  CHECK(faults == std::set<std::string>{});
  CHECK(on.sql().integer("SELECT count(*) FROM event_relay_events", -1) == 0);
}

TEST_CASE("sqlite::ordering: sweep, somebody is woken when it frees an event, and nobody otherwise") {
  bench on;
  on.add(keyed("a"), keyed("b"));
  const std::uint64_t before = on.hints();
  on.store().maintain(10);
  CHECK(on.hints() == before);
  on.remove("a");
  on.store().maintain(10);
  CHECK(on.hints() > before);
}
