// SPDX-License-Identifier: MIT
// The facade `dead_letters` in virtual time, on a store where others are at work and which fails when told to. What
// it does on any store, support/dead_letter_contract.hpp holds.
#include "event_relay/outbox/dead_letters.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "event_relay/core/outcome.hpp"
#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/outbox/worker.hpp"
#include "event_relay/testing/memory_store.hpp"
#include "support/catch.hpp"
#include "support/dead_letter_contract.hpp"
#include "support/outbox_events.hpp"
#include "support/refusal.hpp"
#include "support/sample_events.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using std::size_t;

// A memory_store that calls a hook with the number of each call, from 1 on, before it does anything; what the hook
// throws, it throws.
class watched_store : public testing::memory_store {
 public:
  using hook = std::function<void(int)>;

  using memory_store::memory_store;

  void before_page(hook call) { pages_ = {std::move(call)}; }
  void before_redrive(hook call) { redrives_ = {std::move(call)}; }
  void before_purge(hook call) { purges_ = {std::move(call)}; }
  // The limits of the pages asked for, and how many were redriven or purged in each transaction.
  const std::vector<size_t>& sizes() const { return sizes_; }

  dead_letter_page dead_letters(const dead_letter_filter& filter, const std::optional<dead_letter_cursor>& after,
                                size_t limit) {
    pages_();
    sizes_.push_back(limit);
    return memory_store::dead_letters(filter, after, limit);
  }
  std::vector<bool> redrive(std::span<const redrive_request> requests) {
    redrives_();
    sizes_.push_back(requests.size());
    return memory_store::redrive(requests);
  }
  using memory_store::purge;
  size_t purge(std::span<const purge_request> requests) {
    purges_();
    sizes_.push_back(requests.size());
    return memory_store::purge(requests);
  }

 private:
  struct counted_hook {
    hook call = nullptr;
    int calls = 0;
    void operator()() {
      ++calls;
      if (call) {
        call(calls);
      }
    }
  };
  counted_hook pages_;
  counted_hook redrives_;
  counted_hook purges_;
  std::vector<size_t> sizes_;
};

static_assert(dead_letter_store<watched_store>);

using bench = dead_letter_bench<memory_fixture_of<watched_store>>;

constexpr auto batch = dead_letters<watched_store>::batch;

// Throws at the call of this number.
watched_store::hook failing_at(int number) {
  return [number](int call) {
    if (call == number) {
      throw store_error{store_errc::busy, "told to fail"};
    }
  };
}

// What the others do at the call of this number.
watched_store::hook at_call(int number, std::function<void()> act) {
  return [number, act = std::move(act)](int call) {
    if (call == number) {
      act();
    }
  };
}

std::vector<std::string> ids_from(size_t first, size_t last) {
  std::vector<std::string> ids;
  for (size_t each = first; each <= last; ++each) {
    ids.push_back(fmt::format("{}", each));
  }
  return ids;
}

// When the events of these numbers that are still there and are no dead letters become ready, in ms; sorted.
std::vector<std::int64_t> due_of(bench& on, size_t first, size_t last) {
  std::vector<std::int64_t> due;
  for (const std::string& each : ids_from(first, last)) {
    if (const auto found = on.store().find(each); found && found->state == event_state::ready) {
      due.push_back(since_start(found->available_at));
    }
  }
  std::sort(due.begin(), due.end());
  return due;
}

// The most that become ready within any second.
size_t most_in_a_second(const std::vector<std::int64_t>& due) {
  size_t most = 0;
  for (size_t first = 0, last = 0; last < due.size(); ++last) {
    while (due[last] - due[first] >= 1000) {
      ++first;
    }
    most = std::max(most, last - first + 1);
  }
  return most;
}

}  // namespace

// ---- Redrive by filter ----

TEST_CASE("dead_letters: a rate of 0, refused by name and nothing changed, be it a dry run") {
  bench on;
  on.add_dead("a");
  for (const run_kind run : {run_kind::real, run_kind::dry}) {
    const std::string said = refusal([&] { on.letters.redrive({}, {.per_second = 0, .run = run}); });
    CHECK(contains(said, "per_second"));
    CHECK(contains(said, "is 0"));
    CHECK(contains(said, "1 or more"));
  }
  CHECK(on.listed() == "a");
}

TEST_CASE("dead_letters: many redriven or purged, in transactions that are bounded") {
  bench on;
  on.add_many_dead(2 * batch + 10);
  SECTION("redriven") { CHECK(on.letters.redrive(dead_letter_filter{}) == 2 * batch + 10); }
  SECTION("purged") { CHECK(on.letters.purge({}) == 2 * batch + 10); }
  CHECK(std::all_of(on.store().sizes().begin(), on.store().sizes().end(), [](size_t size) { return size <= batch; }));
  CHECK(on.listed() == "");
}

TEST_CASE("dead_letters: at most so many, across pages") {
  for (const size_t most : {batch - 1, batch, batch + 1, 2 * batch}) {
    INFO(most);
    bench on;
    on.add_many_dead(2 * batch + 10);
    CHECK(on.letters.redrive({}, {.at_most = most, .run = run_kind::dry}) == most);
    CHECK(on.letters.redrive({}, {.at_most = most}) == most);
    CHECK(on.store().metrics().ready == most);
    CHECK(on.seen(fmt::format("{}", most - 1)) == "ready 0");
    CHECK(on.seen(fmt::format("{}", most)).starts_with("dead-letter"));
  }
}

TEST_CASE("dead_letters: the rate goes on from page to page") {
  bench on;
  on.add_many_dead(2 * batch + 10);
  on.letters.redrive({}, {.per_second = 10});
  const auto due = due_of(on, 0, 2 * batch + 9);
  REQUIRE(due.size() == 2 * batch + 10);
  for (size_t each = 0; each < due.size(); ++each) {
    CHECK(due[each] == static_cast<std::int64_t>(each * 100));
  }
}

TEST_CASE("dead_letters: the rate counts from the call's start, however long its pages take") {
  bench on;
  on.add_many_dead(2 * batch + 10);
  on.store().before_page([&](int) { on.clock().advance(7s); });
  on.letters.redrive({}, {.per_second = 10});
  const auto due = due_of(on, 0, 2 * batch + 9);
  REQUIRE(due.size() == 2 * batch + 10);
  for (size_t each = 0; each < due.size(); ++each) {
    CHECK(due[each] == static_cast<std::int64_t>(each * 100));
  }
}

TEST_CASE("dead_letters: one that dies again between its page and what is done with the page, left alone") {
  bench on;
  on.add_dead("a", "b");
  const instant until = on.now() + 1s;
  on.clock().advance(1h);
  const auto die_again = at_call(1, [&] {
    on.store().testing::memory_store::redrive(std::vector<redrive_request>{{"a", on.now()}});
    on.bury_ready();
  });
  SECTION("redriven") {
    on.store().before_redrive(die_again);
    CHECK(on.letters.redrive({.until = until}) == 1);
    CHECK(on.seen("b").starts_with("ready"));
  }
  SECTION("purged") {
    on.store().before_purge(die_again);
    CHECK(on.letters.purge({.until = until}) == 1);
    CHECK(on.seen("b") == "gone");
  }
  CHECK(on.listed() == "a");
}

TEST_CASE("dead_letters: one that dies again while others are redriven, left alone by the same call") {
  bench on;
  on.add_many_dead(batch + 2);
  on.clock().advance(1min);
  const auto die_again = [&] {
    const auto claim = on.claim(1).at(0);
    REQUIRE(claim.record.id == "0");
    on.settle(bench::told_bury(claim));
  };
  SECTION("later than the call") {
    on.store().before_page(at_call(2, [&] {
      on.clock().advance(1ms);
      die_again();
    }));
    CHECK(on.letters.redrive(dead_letter_filter{}) == batch + 2);
    CHECK(on.listed() == "0");
  }
  SECTION("at the instant of the call") {
    on.store().before_page(at_call(2, die_again));
    CHECK(on.letters.redrive(dead_letter_filter{}) == batch + 2);
    CHECK(on.listed() == "0");
  }
}

TEST_CASE("dead_letters: dead at the very instant of the call, redriven by it; at a later one, not") {
  bench on;
  on.add_dead("a");
  on.store().before_page(at_call(1, [&] {
    on.clock().advance(1ms);
    on.add_dead("b");
  }));
  CHECK(on.letters.redrive({.until = instant::max()}) == 1);
  CHECK(on.listed() == "b");
}

TEST_CASE("dead_letters: what others redrive or purge meanwhile, not counted") {
  bench on;
  on.add_many_dead(batch + 5);
  SECTION("after its page was read") {
    on.store().before_redrive(at_call(1, [&] { on.store().testing::memory_store::purge(ids_from(0, 9)); }));
    CHECK(on.letters.redrive(dead_letter_filter{}) == batch - 5);
  }
  SECTION("before its page was read") {
    on.store().before_page(at_call(2, [&] { on.store().testing::memory_store::purge(ids_from(batch - 1, batch)); }));
    CHECK(on.letters.redrive(dead_letter_filter{}) == batch + 4);
  }
  SECTION("redriven, while they are to be purged") {
    on.store().before_purge(at_call(1, [&] { on.redrive_ids(ids_from(0, 9)); }));
    CHECK(on.letters.purge({}) == batch - 5);
    CHECK(on.store().metrics().ready == 10);
  }
  CHECK(on.listed() == "");
}

TEST_CASE("dead_letters: others purge of the page that is redriven, and still no second is overrun") {
  bench on;
  on.add_many_dead(2 * batch);
  on.store().before_redrive(at_call(1, [&] { on.purge(ids_from(0, batch / 2 - 1)); }));
  CHECK(on.letters.redrive({}, {.per_second = batch}) == batch + batch / 2);
  const auto due = due_of(on, 0, 2 * batch);
  CHECK(due.size() == batch + batch / 2);
  CHECK(most_in_a_second(due) <= batch);
}

TEST_CASE("dead_letters: a store that fails half-way, what was done stays done, and the same call goes on") {
  bench on;
  on.add_many_dead(3 * batch);
  SECTION("a page that fails, in a redrive") {
    on.store().before_page(failing_at(3));
    CHECK(refusal_cause([&] { on.letters.redrive(dead_letter_filter{}); }) == store_errc::busy);
    CHECK(on.store().metrics().ready == 2 * batch);
    CHECK(on.letters.redrive(dead_letter_filter{}) == batch);
  }
  SECTION("a redrive that fails") {
    on.store().before_redrive(failing_at(2));
    CHECK(refusal_cause([&] { on.letters.redrive(dead_letter_filter{}); }) == store_errc::busy);
    CHECK(on.store().metrics().ready == batch);
    CHECK(on.letters.redrive(dead_letter_filter{}) == 2 * batch);
  }
  SECTION("a purge that fails") {
    on.store().before_purge(failing_at(2));
    CHECK(refusal_cause([&] { on.letters.purge({}); }) == store_errc::busy);
    CHECK(on.store().metrics().dead_letters == 2 * batch);
    CHECK(on.letters.purge({}) == 2 * batch);
    CHECK(on.store().metrics().depth() == 0);
    return;
  }
  CHECK(on.listed() == "");
  CHECK(on.store().metrics().ready == 3 * batch);
}

// ---- Export ----

TEST_CASE("dead_letters: exported, every field by its name") {
  bench on;
  event_record full = with_key("evt-1", "booking-1");
  full.payload = R"({"bookingId":"booking-1"})";
  full.caused_by = "evt-0";
  full.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  full.source = "booking-api";
  on.add(full);
  on.settle(bench::told_retry(on.claim_one(), 0ms, "busy"));
  on.clock().advance(1500ms);
  on.settle(
      bench::told_bury(on.claim_one(), bench::key_after::held, dead_letter_reason::max_attempts_exhausted, "gone"));
  std::string line;
  const auto keep = [&](std::string_view text) { line = text; };
  CHECK(on.letters.export_to(keep) == 1);
  CHECK(nlohmann::json::parse(line) == nlohmann::json::parse(R"({
    "id": "evt-1", "name": "booking.created", "state": "dead-letter", "reason": "max-attempts-exhausted",
    "deadSince": "2026-03-20T10:00:01.500Z", "attempts": 2, "occurredAt": "2026-03-20T10:00:00.000Z",
    "availableAt": "2026-03-20T10:00:00.000Z", "correlationId": "corr-1", "orderingKey": "booking-1",
    "causedBy": "evt-0", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "source": "booking-api", "holdsKey": true, "payload": "{\"bookingId\":\"booking-1\"}",
    "failures": [{"attempt": 1, "at": "2026-03-20T10:00:00.000Z", "text": "busy"},
                 {"attempt": 2, "at": "2026-03-20T10:00:01.500Z", "text": "gone"}]})"));
}

TEST_CASE("dead_letters: exported to a writer that throws half-way, whole lines up to there and nothing changed") {
  bench on;
  on.add_many_dead(batch + 50);
  std::string written;
  size_t lines = 0;
  const auto write = [&](std::string_view line) {
    if (lines == batch + 20) {
      throw std::runtime_error{"the disk is full"};
    }
    ++lines;
    written += line;
  };
  CHECK_THROWS_AS(on.letters.export_to(write), std::runtime_error);
  CHECK(std::count(written.begin(), written.end(), '\n') == static_cast<std::ptrdiff_t>(batch + 20));
  CHECK(written.ends_with("]}\n"));
  CHECK(on.store().metrics().dead_letters == batch + 50);
  lines = 0;
  written.clear();
  CHECK(on.letters.export_to(write, {.until = sample_instant}) == 0);
}

TEST_CASE("dead_letters: exported, more than a page: each once, in order, also while it dies anew") {
  bench on;
  on.add_many_dead(2 * batch + 1);
  std::vector<std::string> ids;
  const auto keep = [&](std::string_view line) {
    ids.push_back(nlohmann::json::parse(line).at("id"));
    on.clock().advance(1ms);
    on.add_dead(fmt::format("new-{}", ids.size()));
  };
  CHECK(on.letters.export_to(keep) == 2 * batch + 1);
  CHECK(ids == ids_from(0, 2 * batch));
}

// ---- With a worker ----

TEST_CASE("dead_letters: redriven, attempted anew by the worker, and a dead letter again with its whole history") {
  worker_bench bench;
  bench.append(sample_event());
  bench.handler.otherwise(retry{"busy"});
  worker tested{bench.box, bench.handler, bench.options().with_max_attempts(2)};
  dead_letters letters{bench.store};
  const auto work = [&] {
    for (int attempt = 1; attempt <= 2; ++attempt) {
      tested.run_once();
      bench.clock.advance(1s);
    }
  };
  work();
  REQUIRE(letters.list().events.size() == 1);
  CHECK(letters.redrive("evt-1"));
  work();
  CHECK(state_of(bench.store, "evt-1") == "dead-letter 2 max-attempts-exhausted");
  CHECK(history_of(bench.store, "evt-1") == "1 busy, 2 busy, 1 busy, 2 busy");
  const auto runs = bench.handler.runs();
  REQUIRE(runs.size() == 4);
  CHECK(runs[2].retry.attempt == 1);
  CHECK(runs[2].retry.max_attempts == 2);
  CHECK(runs[2].token > runs[1].token);

  bench.handler.otherwise(processed{});
  CHECK(letters.redrive(dead_letter_filter{.reason = dead_letter_reason::max_attempts_exhausted}) == 1);
  CHECK(tested.run_once() == worker_report{.processed = 1});
  CHECK(state_of(bench.store, "evt-1") == "gone");
  CHECK(outcomes_of(bench.store.metrics()) == "booking.created: 5 attempts, 1 processed, 2 retried, 2 dead");
}
