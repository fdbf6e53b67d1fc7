// SPDX-License-Identifier: MIT
// What a store in an SQLite file does, it does without visiting the rows that it does not mean: counted in steps of
// SQLite's virtual machine, beside the same on a store without those rows. No time is measured.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/event_record.hpp"
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

// Counts the steps of the library's own connections.
class counting_fixture {
 public:
  using store_type = sqlite_store;

  explicit counting_fixture(std::uint32_t failures_kept = 10, std::chrono::milliseconds keep_processed = {})
      : host_{path(), 0ms},
        store_{path(),
               {.durability = sqlite::synchronous::normal,
                .busy_timeout = 0ms,
                .failures_kept = failures_kept,
                .keep_processed = keep_processed,
                .on_open = [this](sqlite::connection& opened) { count_on(opened); }},
               clock_} {
    host_.execute("PRAGMA synchronous = OFF");
  }

  sqlite_store& store() { return store_; }
  testing::manual_clock& clock() { return clock_; }
  sqlite3* host() { return host_.handle(); }
  void begin() { host_.execute("BEGIN IMMEDIATE"); }
  void commit() { host_.execute("COMMIT"); }
  void rollback() { host_.execute("ROLLBACK"); }
  static void leave(sqlite::connection&, const std::string&) {}
  static std::vector<std::string> written() { return {}; }

  sqlite::connection& sql() { return host_; }

  template <class Call>
  std::int64_t steps_of(Call call) {
    steps_ = 0;
    call();
    return steps_;
  }

 private:
  std::string path() const { return folder_ / "host.sqlite"; }

  void count_on(sqlite::connection& opened) {
    const auto add = [](unsigned, void* steps, void* statement, void*) {
      constexpr int and_reset = 1;
      *static_cast<std::int64_t*>(steps) +=
          sqlite3_stmt_status(static_cast<sqlite3_stmt*>(statement), SQLITE_STMTSTATUS_VM_STEP, and_reset);
      return 0;
    };
    sqlite3_trace_v2(opened.handle(), SQLITE_TRACE_PROFILE, add, &steps_);
  }

  std::int64_t steps_ = 0;
  temporary_folder folder_;
  testing::manual_clock clock_{sample_instant};
  sqlite::connection host_;
  sqlite_store store_;
};

using bench = store_bench<counting_fixture>;

constexpr int many = 3'000;
// For what is decided a little differently where something is there.
constexpr std::int64_t a_few = 100;

void add_many(bench& on, const std::function<event_record(int)>& make) {
  std::vector<event_record> records;
  for (int number = 0; number < many; ++number) {
    records.push_back(make(number));
  }
  on.begin();
  on.append_all(records);
  on.commit();
}

// A key in backoff with many events behind it.
void add_stuck_key(bench& on) {
  add_many(on, [](int number) { return keyed(fmt::format("stuck-{}", number), "stuck"); });
  on.settle(bench::retry(on.claim_one(), 1h, "busy"));
}

// Claim, retry, claim again, process.
void work_on_ten(bench& on) {
  for (int number = 0; number < 10; ++number) {
    on.add(keyed(fmt::format("evt-{}", number), fmt::format("key-{}", number % 3)), fmt::format("plain-{}", number));
  }
  for (int round = 0; round < 10; ++round) {
    for (const claimed_event& each : on.claim()) {
      on.settle(each.attempt == 1 ? bench::retry(each, 0ms) : bench::end(each));
    }
  }
}

}  // namespace

TEST_CASE("sqlite scale: a key in backoff with many events behind it, the others' way has the same steps") {
  bench on;
  const std::int64_t empty = bench{}.steps_of([] {});
  CHECK(empty == 0);
  bench without;
  add_stuck_key(on);
  const std::int64_t alone = without.steps_of([&] { work_on_ten(without); });
  CHECK(alone > a_few);
  CHECK(on.steps_of([&] { work_on_ten(on); }) <= alone + a_few);
}

TEST_CASE("sqlite scale: events that wait for their claim limit, the others are claimed in the same steps") {
  const std::vector<claim_limit> none{{"mail", 0}};
  const auto claim_others = [&](bench& on) {
    on.add("a", "b", "c");
    return on.steps_of([&] {
      CHECK(on.store().exchange({}, {100, 30s, claim_kind::ordinary, none}).claimed.size() == 3);
      CHECK(on.store().exchange({}, {100, 30s, claim_kind::ordinary, none}).claimed.empty());
    });
  };
  bench on;
  add_many(on, [](int number) { return named(fmt::format("mail-{}", number), "mail"); });
  bench without;
  on.store().exchange({}, {1, 30s, claim_kind::ordinary, none});
  without.store().exchange({}, {1, 30s, claim_kind::ordinary, none});
  CHECK(claim_others(on) <= claim_others(without) + a_few);
}

TEST_CASE("sqlite scale: an idle worker looks in the same steps, whatever is blocked, scheduled, dead or kept") {
  const auto idle = [](bench& on) { return on.steps_of([&] { on.claim(); }); };
  bench empty;
  const std::int64_t alone = idle(empty);
  SECTION("blocked") {
    bench on;
    add_stuck_key(on);
    CHECK(idle(on) <= alone + a_few);
  }
  SECTION("scheduled") {
    bench on;
    add_many(on, [&](int number) { return due_at(fmt::format("evt-{}", number), on.clock().now() + 1h); });
    CHECK(idle(on) <= alone + a_few);
  }
  SECTION("dead, and kept") {
    bench on{10, 1h};
    add_many(on, [](int number) { return record_of(fmt::format("evt-{}", number)); });
    for (const claimed_event& each : on.claim(many)) {
      on.settle(each.held.row % 2 == 0 ? bench::bury(each) : bench::end(each));
    }
    CHECK(idle(on) <= alone + a_few);
  }
}

TEST_CASE("sqlite scale: maintain visits what it deletes, and no more keys than it may") {
  bench on{10, 1s};
  add_many(on, [](int number) { return record_of(fmt::format("evt-{}", number)); });
  for (const claimed_event& each : on.claim(many)) {
    on.settle(bench::end(each));
  }
  on.clock().advance(1h);
  add_many(on, [](int number) { return keyed(fmt::format("key-{}", number), fmt::format("{}", number / 2)); });
  const std::int64_t one = on.steps_of([&] { on.store().maintain(1); });
  const std::int64_t hundred = on.steps_of([&] { on.store().maintain(100); });
  CHECK(hundred <= 100 * one);
  CHECK(one < many);
}

TEST_CASE("sqlite scale: a page of dead letters, in steps of its own length") {
  bench on;
  add_many(on, [](int number) { return record_of(fmt::format("evt-{}", number)); });
  for (const claimed_event& each : on.claim(many)) {
    on.settle(bench::bury(each));
  }
  std::optional<dead_letter_cursor> after;
  const std::int64_t first = on.steps_of([&] { after = on.store().dead_letters({}, after, 10).next; });
  CHECK(first < many);
  on.store().dead_letters({}, after, many / 2);
  CHECK(on.steps_of([&] { on.store().dead_letters({}, after, 10); }) <= 2 * first);
}

TEST_CASE("sqlite scale: redrive, purge and a settle of one event of a long key, in the same steps as of a short one") {
  const auto round = [](bench& on) {
    return on.steps_of([&] {
      const claimed_event head = on.claim_one();
      on.settle(bench::bury(head));
      CHECK(on.redrive(head.record.id) == std::vector{true});
      on.settle(bench::bury_holding(on.claim_one()));
      CHECK(on.purge(head.record.id) == 1);
      on.settle(bench::end(on.claim_one()));
    });
  };
  bench on;
  bench without;
  add_many(on, [](int number) { return keyed(fmt::format("evt-{}", number)); });
  without.add(keyed("evt-0"), keyed("evt-1"), keyed("evt-2"));
  CHECK(round(on) <= round(without) + a_few);
}

TEST_CASE("sqlite scale: what the host's ANALYZE finds sends no statement another way") {
  const auto work = [](bench& on) {
    return on.steps_of([&] {
      work_on_ten(on);
      on.claim_orphans();
      on.store().metrics();
      on.store().has_unfinished();
      on.store().maintain(1);
      const claimed_event dead = on.orphan("orphan");
      on.settle(bench::bury_holding(dead));
      on.store().dead_letters({}, std::nullopt, 10);
      CHECK(on.purge("orphan") == 1);
      CHECK(on.claim(5).size() <= 5);
    });
  };
  const auto fill = [](bench& on, int state) {
    switch (state) {
      case 0: add_stuck_key(on); break;
      case 1:
        add_many(on, [&](int number) { return due_at(fmt::format("evt-{}", number), on.clock().now() + 24h); });
        break;
      default:
        add_many(on, [](int number) { return record_of(fmt::format("evt-{}", number)); });
        for (const claimed_event& each : on.claim(many)) {
          on.settle(state == 2 ? bench::end(each)
                               : bench::bury(each, dead_letter_reason::rejected,
                                             each.held.row % 10 == 0 ? std::optional{"busy"} : std::nullopt));
        }
        break;
    }
  };
  for (int state = 0; state < 4; ++state) {
    INFO(state);
    bench on{10, 24h};
    bench plain{10, 24h};
    fill(on, state);
    fill(plain, state);
    on.sql().execute("ANALYZE");
    CHECK(work(on) <= work(plain) + a_few);
  }
}

TEST_CASE("sqlite scale: metrics visit each index's own rows alone") {
  const auto ask = [](bench& on) { return on.steps_of([&] { on.store().metrics(); }); };
  bench empty;
  const std::int64_t alone = ask(empty);
  bench on;
  add_stuck_key(on);
  // One visit each, of what is blocked; a scan of the table would be one for each number that is asked for.
  CHECK(ask(on) <= alone + 4 * many);
}
