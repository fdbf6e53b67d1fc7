// SPDX-License-Identifier: MIT
// What the numbers are called: depth, thresholds and readiness. How stores count, support/dead_letter_contract.hpp
// holds; here a worker's attempts are counted.
#include "event_relay/outbox/queue_metrics.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "event_relay/core/notification.hpp"
#include "event_relay/core/outcome.hpp"
#include "event_relay/outbox/worker.hpp"
#include "event_relay/testing/memory_store.hpp"
#include "support/catch.hpp"
#include "support/dead_letter_contract.hpp"
#include "support/outbox_events.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;

// Thresholds that all metrics are below, but for those that a test sets.
readiness_thresholds out_of_reach() {
  constexpr std::uint64_t never = 1'000'000;
  return {.lag = {24h, 24h}, .dead_letters = {never, never}, .depth = {never, never}};
}

static_assert(metrics_store<testing::memory_store>);
static_assert(!metrics_store<const testing::memory_store>);
static_assert(!metrics_store<int>);

struct answers_by_address : testing::memory_store {
  queue_metrics* metrics() { return nullptr; }
};
static_assert(!metrics_store<answers_by_address>);

}  // namespace

TEST_CASE("queue_metrics: depth, all that has not ended") {
  queue_metrics metrics;
  CHECK(metrics.depth() == 0);
  metrics.dead_letters = 100'000;
  metrics.held_keys = 200'000;
  CHECK(metrics.depth() == 0);
  metrics.ready = 1;
  metrics.scheduled = 20;
  metrics.leased = 300;
  metrics.orphans = 4'000;
  metrics.blocked = 50'000;
  CHECK(metrics.depth() == 54'321);
}

TEST_CASE("threshold: below, at and above each") {
  constexpr threshold<std::uint64_t> counted{10, 50};
  CHECK(counted.of(0) == readiness::good);
  CHECK(counted.of(9) == readiness::good);
  CHECK(counted.of(10) == readiness::watch);
  CHECK(counted.of(11) == readiness::watch);
  CHECK(counted.of(49) == readiness::watch);
  CHECK(counted.of(50) == readiness::critical);
  CHECK(counted.of(51) == readiness::critical);
}

TEST_CASE("threshold: a critical below its watch, raised to it; equal ones, critical at once; 0, always reached") {
  constexpr threshold<std::uint64_t> swapped{50, 10};
  CHECK(swapped.of(10) == readiness::good);
  CHECK(swapped.of(49) == readiness::good);
  CHECK(swapped.of(50) == readiness::critical);
  constexpr threshold<std::uint64_t> equal{5, 5};
  CHECK(equal.of(4) == readiness::good);
  CHECK(equal.of(5) == readiness::critical);
  constexpr threshold<std::uint64_t> nothing{0, 1};
  CHECK(nothing.of(0) == readiness::watch);
  CHECK(nothing.of(1) == readiness::critical);
}

TEST_CASE("readiness_of: by default, lag 15 s and 60 s, dead letters 1 and 5, depth 10 and 50") {
  struct row {
    queue_metrics metrics;
    readiness expected;
  };
  const row rows[] = {
      {{}, readiness::good},
      {{.at = {}, .oldest_lag = 14'999ms}, readiness::good},
      {{.at = {}, .oldest_lag = 15s}, readiness::watch},
      {{.at = {}, .oldest_lag = 59'999ms}, readiness::watch},
      {{.at = {}, .oldest_lag = 60s}, readiness::critical},
      {{.at = {}, .oldest_lag = 61s}, readiness::critical},
      {{.at = {}, .dead_letters = 1}, readiness::watch},
      {{.at = {}, .dead_letters = 4}, readiness::watch},
      {{.at = {}, .dead_letters = 5}, readiness::critical},
      {{.at = {}, .dead_letters = 6}, readiness::critical},
      {{.at = {}, .ready = 9}, readiness::good},
      {{.at = {}, .ready = 10}, readiness::watch},
      {{.at = {}, .ready = 49}, readiness::watch},
      {{.at = {}, .ready = 50}, readiness::critical},
      {{.at = {}, .scheduled = 10}, readiness::watch},
      {{.at = {}, .leased = 10}, readiness::watch},
      {{.at = {}, .orphans = 10}, readiness::watch},
      {{.at = {}, .blocked = 50}, readiness::critical},
      {{.at = {}, .ready = 2, .scheduled = 2, .leased = 2, .orphans = 2, .blocked = 1}, readiness::good},
      {{.at = {}, .ready = 2, .scheduled = 2, .leased = 2, .orphans = 2, .blocked = 2}, readiness::watch},
      {{.at = {}, .held_keys = 100}, readiness::good},
  };
  for (const row& each : rows) {
    INFO("row " << &each - rows);
    CHECK(readiness_of(each.metrics) == each.expected);
  }
}

TEST_CASE("readiness_of: the worst of the three") {
  using enum readiness;
  const readiness states[] = {good, watch, critical};
  for (const readiness lag : states) {
    for (const readiness dead : states) {
      for (const readiness depth : states) {
        const auto pick = [](readiness state, auto of_good, auto of_watch, auto of_critical) {
          return state == good ? of_good : state == watch ? of_watch : of_critical;
        };
        const queue_metrics metrics{.at = {},
                                    .scheduled = pick(depth, 0U, 10U, 50U),
                                    .dead_letters = pick(dead, 0U, 1U, 5U),
                                    .oldest_lag = pick(lag, 0s, 15s, 60s)};
        CHECK(readiness_of(metrics) == std::max({lag, dead, depth}));
      }
    }
  }
}

TEST_CASE("readiness_of: other thresholds, each for its own number") {
  const queue_metrics metrics{.at = {}, .ready = 7, .dead_letters = 8, .oldest_lag = 9s};
  CHECK(readiness_of(metrics, out_of_reach()) == readiness::good);
  readiness_thresholds one = out_of_reach();
  SECTION("lag") {
    one.lag = {9s, 24h};
    CHECK(readiness_of(metrics, one) == readiness::watch);
    one.lag = {9001ms, 24h};
  }
  SECTION("dead letters") {
    one.dead_letters = {8, 9};
    CHECK(readiness_of(metrics, one) == readiness::watch);
    one.dead_letters = {9, 9};
  }
  SECTION("depth") {
    one.depth = {7, 8};
    CHECK(readiness_of(metrics, one) == readiness::watch);
    one.depth = {8, 8};
  }
  CHECK(readiness_of(metrics, one) == readiness::good);
}

TEST_CASE("readiness: its words") {
  CHECK(wire_name(readiness::good) == "good");
  CHECK(wire_name(readiness::watch) == "watch");
  CHECK(wire_name(readiness::critical) == "critical");
}

TEST_CASE("queue_metrics: a worker's attempts, each counted under its event's name, notifications' too") {
  worker_bench bench;
  bench.append(sample_event("evt-1"), sample_event("evt-2"), sample_event<payment_captured>("evt-3"));
  bench.handler.on("evt-1", retry{"busy"});
  bench.handler.on("evt-2", processed{email("ada", "Booked", "mail")});
  bench.handler.on("evt-3", reject{"never"});
  worker tested{bench.box, bench.handler, bench.options()};
  tested.run_once();
  CHECK(counts_of(bench.store.metrics()) ==
        "1 ready, 1 scheduled, 0 leased, 0 orphans, 0 blocked, 1 dead, 0 held, lag 0");
  bench.clock.advance(1s);
  tested.run_once();
  CHECK(counts_of(bench.store.metrics()) ==
        "0 ready, 0 scheduled, 0 leased, 0 orphans, 0 blocked, 1 dead, 0 held, lag -");
  CHECK(outcomes_of(bench.store.metrics()) ==
        "booking.created: 3 attempts, 2 processed, 1 retried, 0 dead; "
        "notification.email: 1 attempts, 1 processed, 0 retried, 0 dead; "
        "payment.captured: 1 attempts, 0 processed, 0 retried, 1 dead");
  CHECK(readiness_of(bench.store.metrics()) == readiness::watch);
}
