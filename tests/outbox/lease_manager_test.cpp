// SPDX-License-Identifier: MIT
// What a heartbeat renews, whom it asks to stop, and what is released, step by step on a store whose time
// stands still: each event waits, runs, is finished, takes too long or is another worker's.
#include "event_relay/outbox/lease_manager.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <latch>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/testing/memory_store.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using namespace std::chrono_literals;
using event_relay_test::sample_instant;

// A memory_store that notes the calls of a manager, and fails when told to.
struct noting_store : testing::memory_store {
  using memory_store::memory_store;

  std::vector<bool> renew(std::span<const lease> leases, std::chrono::milliseconds length) {
    ++renewals;
    if (const auto act = std::exchange(when_renewing, nullptr)) {
      act();
    }
    return memory_store::renew(leases, length);
  }
  std::size_t release(std::span<const lease> leases) {
    if (std::exchange(is_failing, false)) {
      throw store_error{store_errc::busy, "database is locked"};
    }
    ++returns;
    return memory_store::release(leases);
  }

  int renewals = 0;
  int returns = 0;
  std::function<void()> when_renewing;  // once
  bool is_failing = false;
};
static_assert(event_store<noting_store>);

// A thread of a worker: its claims, and its place in the manager.
struct thread_of_worker {
  thread_of_worker(lease_manager& manager, std::vector<claimed_event> claimed)
      : claims{std::move(claimed)}, kept{manager.open()} {
    manager.hold_all(kept, claims, instant::max());
  }
  std::vector<claimed_event> claims;
  lease_manager::batch& kept;
};

struct surroundings {
  testing::manual_clock clock{sample_instant};
  noting_store store{clock};
  lease_manager manager;
  worker_limits limits{.lease = 30s, .max_run_time = 5min};

  // Appends events of these ids and claims them: "payment.captured" for a "p...", else "booking.created".
  std::vector<claimed_event> claimed(const std::vector<std::string>& ids) {
    testing::memory_store::host_transaction host{store};
    for (const std::string& id : ids) {
      const std::string name = id.starts_with('p') ? "payment.captured" : "booking.created";
      const event_record record{id, name, "{}", sample_instant, "corr-" + id};
      store.append(host, {&record, 1});
    }
    host.commit();
    return claim(store, {ids.size(), limits.lease}).claimed;
  }
  bool start(thread_of_worker& mine, std::size_t at) { return manager.start(mine.kept, at, store.now()); }
  lease_manager::findings heartbeat() { return manager.heartbeat(store, limits); }
  void take_away() {  // the leases expire, and others claim all of the events
    clock.advance(limits.lease);
    while (!claim(store, {1, limits.lease, claim_kind::orphan}).claimed.empty()) {
    }
  }
  // "ready", or how long the lease holds from now.
  std::string state(std::string_view id) {
    const stored_event stored = store.find(id).value();
    return stored.leased_until ? std::to_string((*stored.leased_until - clock.now()) / 1s)
                               : std::string{wire_name(stored.state)};
  }
};

std::string names(const std::vector<lease_manager::event_name_and_id>& events) {
  std::string text;
  for (const auto& each : events) {
    text += each.name + ' ' + each.id + ' ' + each.correlation_id + ';';
  }
  return text;
}

}  // namespace

TEST_CASE("lease_manager: start, each event once") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a", "b"})};
  CHECK(around.start(mine, 0));
  CHECK_FALSE(around.start(mine, 0));
  around.manager.finish(mine.kept, 0);
  CHECK_FALSE(around.start(mine, 0));
  CHECK(around.start(mine, 1));
}

TEST_CASE("lease_manager: start after the lease's end, refused and said, unless a heartbeat has renewed it") {
  surroundings around;
  const std::vector<claimed_event> claims = around.claimed({"a", "b", "c"});
  lease_manager::batch& kept = around.manager.open();
  around.manager.hold_all(kept, claims, around.clock.now() + 30s);
  around.clock.advance(29s);
  CHECK(around.manager.start(kept, 0, around.clock.now()));
  around.heartbeat();
  around.clock.advance(29s);
  CHECK(around.manager.start(kept, 1, around.clock.now()));
  around.clock.advance(1s);
  CHECK_FALSE(around.manager.start(kept, 2, around.clock.now()));
  CHECK(names(around.heartbeat().lost) == "booking.created c corr-c;");
}

TEST_CASE("lease_manager: drop, the places count from the first that is left") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a", "b", "c"})};
  CHECK(around.start(mine, 0));
  around.manager.finish(mine.kept, 0);
  around.manager.drop(mine.kept, 1);
  const std::vector<claimed_event> next = around.claimed({"d"});
  around.manager.hold_all(mine.kept, next, instant::max());
  CHECK(around.start(mine, 0));
  around.clock.advance(10s);
  around.heartbeat();
  CHECK(around.state("a") == "20");
  CHECK(around.state("b") == "30");
  CHECK(around.state("d") == "30");
  around.manager.drop(mine.kept, 2);
  CHECK(around.start(mine, 0));
  CHECK(around.manager.release_waiting(mine.kept, around.store) == 0);
}

TEST_CASE("lease_manager: heartbeat, renews what waits, runs and is finished but not stored") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a", "b", "c"})};
  thread_of_worker other{around.manager, around.claimed({"d"})};
  around.start(mine, 0);
  around.manager.finish(mine.kept, 0);
  around.start(mine, 1);
  for (int beat = 0; beat < 5; ++beat) {
    around.clock.advance(10s);
    const auto found = around.heartbeat();
    CHECK((found.too_long.empty() && found.lost.empty() && found.released == 0));
    for (const char* id : {"a", "b", "c", "d"}) {
      CHECK(around.state(id) == "30");
    }
  }
  CHECK(around.store.renewals == 5);
  CHECK_FALSE(around.manager.stop_of(mine.kept).stop_requested());
}

TEST_CASE("lease_manager: heartbeat with nothing held, asks nothing of the store") {
  surroundings around;
  around.heartbeat();
  {
    const thread_of_worker mine{around.manager, {}};
    around.heartbeat();
  }
  CHECK(around.store.renewals == 0);
  CHECK(around.store.returns == 0);
}

TEST_CASE("lease_manager: close, renewed no more") {
  surroundings around;
  const thread_of_worker mine{around.manager, around.claimed({"a"})};
  const thread_of_worker other{around.manager, around.claimed({"b"})};
  around.manager.close(mine.kept);
  around.clock.advance(10s);
  around.heartbeat();
  CHECK(around.state("a") == "20");
  CHECK(around.state("b") == "30");
}

TEST_CASE("lease_manager: a run that takes too long, asked to stop, said once, and its batch released") {
  surroundings around;
  around.limits.lease = 1h;
  thread_of_worker mine{around.manager, around.claimed({"a", "b", "c", "d"})};
  thread_of_worker other{around.manager, around.claimed({"e", "f"})};
  around.start(mine, 0);
  around.manager.finish(mine.kept, 0);
  around.start(mine, 1);
  around.clock.advance(1min);
  around.start(other, 0);
  around.clock.advance(4min - 1ms);
  CHECK(around.heartbeat().too_long.empty());
  const std::stop_token stop = around.manager.stop_of(mine.kept);
  CHECK_FALSE(stop.stop_requested());

  around.clock.advance(1ms);
  const auto found = around.heartbeat();
  CHECK(names(found.too_long) == "booking.created b corr-b;");
  CHECK(found.lost.empty());
  CHECK(found.released == 2);
  CHECK(stop.stop_requested());
  CHECK_FALSE(around.manager.stop_of(other.kept).stop_requested());
  for (const char* id : {"c", "d"}) {
    CHECK(around.state(id) == "ready");
    CHECK(around.store.find(id)->attempts == 0);
  }
  CHECK_FALSE(around.start(mine, 2));

  around.clock.advance(30s);
  const auto later = around.heartbeat();
  CHECK((later.too_long.empty() && later.lost.empty() && later.released == 0));
  CHECK(around.state("a") == "3600");
  CHECK(around.state("b") == std::to_string(3600 - 31));
  CHECK(around.state("e") == "3600");
  CHECK(around.state("f") == "3600");
  CHECK(around.start(other, 1));
}

TEST_CASE("lease_manager: the maximum run time, the event family's own before everyone's") {
  surroundings around;
  around.limits.max_run_time_of["payment.captured"] = 1min;
  thread_of_worker mine{around.manager, around.claimed({"p"})};
  thread_of_worker other{around.manager, around.claimed({"a"})};
  around.start(mine, 0);
  around.start(other, 0);
  around.clock.advance(1min);
  CHECK(names(around.heartbeat().too_long) == "payment.captured p corr-p;");
  around.limits.max_run_time = 2min;
  around.clock.advance(1min);
  CHECK(names(around.heartbeat().too_long) == "booking.created a corr-a;");
}

TEST_CASE("lease_manager: the run time, counts from the event's own start") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a", "b"})};
  around.start(mine, 0);
  for (int beat = 0; beat < 29; ++beat) {
    around.clock.advance(10s);
    around.heartbeat();
  }
  around.manager.finish(mine.kept, 0);
  around.start(mine, 1);
  around.clock.advance(20s);
  CHECK(around.heartbeat().too_long.empty());
}

TEST_CASE("lease_manager: leases that another has by now, said once; what runs is asked to stop, the rest not begun") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a", "b", "c"})};
  around.start(mine, 0);
  around.manager.finish(mine.kept, 0);
  around.start(mine, 1);
  const std::stop_token stop = around.manager.stop_of(mine.kept);
  around.take_away();
  const auto found = around.heartbeat();
  CHECK(names(found.lost) == "booking.created b corr-b;booking.created c corr-c;");
  CHECK((found.too_long.empty() && found.released == 0));
  CHECK(stop.stop_requested());
  CHECK_FALSE(around.start(mine, 2));
  CHECK(around.heartbeat().lost.empty());
  CHECK(around.state("b") == "30");  // the other's lease is left alone
  CHECK(around.manager.release_waiting(mine.kept, around.store) == 0);
  CHECK(around.state("c") == "30");
}

TEST_CASE("lease_manager: one lease lost, the others of its batch are kept") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a", "b"})};
  around.start(mine, 0);
  const settlement<testing::memory_store::transaction> done{.held = mine.claims[1].held};
  settle<noting_store>(around.store, {&done, 1});
  CHECK(names(around.heartbeat().lost) == "booking.created b corr-b;");
  CHECK_FALSE(around.manager.stop_of(mine.kept).stop_requested());
  around.clock.advance(10s);
  around.heartbeat();
  CHECK(around.state("a") == "30");
}

TEST_CASE("lease_manager: a lease found lost by two heartbeats at once, said by one") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a"})};
  around.start(mine, 0);
  around.take_away();
  std::string said_meanwhile;
  around.store.when_renewing = [&] { said_meanwhile = names(around.heartbeat().lost); };
  CHECK(around.heartbeat().lost.empty());
  CHECK(said_meanwhile == "booking.created a corr-a;");
}

TEST_CASE("lease_manager: an attempt that ends while its lease is renewed, not said to be lost") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a", "b", "c"})};
  around.start(mine, 0);
  const std::stop_token stop = around.manager.stop_of(mine.kept);
  around.take_away();
  around.store.when_renewing = [&] {
    around.manager.finish(mine.kept, 0);
    around.manager.drop(mine.kept, 2);
  };
  CHECK(names(around.heartbeat().lost) == "booking.created c corr-c;");
  CHECK_FALSE(stop.stop_requested());
}

TEST_CASE("lease_manager: release_waiting, what has not begun and nothing else") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a", "b", "c", "d"})};
  thread_of_worker other{around.manager, around.claimed({"e"})};
  around.start(mine, 0);
  around.manager.finish(mine.kept, 0);
  around.start(mine, 1);
  CHECK(around.manager.release_waiting(mine.kept, around.store) == 2);
  CHECK(around.state("a") == "30");
  CHECK(around.state("b") == "30");
  CHECK(around.state("c") == "ready");
  CHECK(around.state("d") == "ready");
  CHECK(around.state("e") == "30");
  CHECK(around.store.find("c")->attempts == 0);
  CHECK_FALSE(around.start(mine, 2));
  CHECK(around.manager.release_waiting(mine.kept, around.store) == 0);
  CHECK(around.store.returns == 1);
  around.clock.advance(10s);
  CHECK(around.heartbeat().lost.empty());
}

TEST_CASE("lease_manager: heartbeat after all was released, asks nothing of the store") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a", "b"})};
  CHECK(around.manager.release_waiting(mine.kept, around.store) == 2);
  around.heartbeat();
  CHECK(around.store.renewals == 0);
}

TEST_CASE("lease_manager: stop_running, asks what runs and nothing else") {
  surroundings around;
  thread_of_worker running{around.manager, around.claimed({"a", "b"})};
  thread_of_worker also_running{around.manager, around.claimed({"c"})};
  thread_of_worker waiting{around.manager, around.claimed({"d"})};
  thread_of_worker finished{around.manager, around.claimed({"e"})};
  CHECK(around.manager.stop_running() == 0);
  around.start(running, 0);
  around.start(also_running, 0);
  around.start(finished, 0);
  around.manager.finish(finished.kept, 0);
  CHECK(around.manager.stop_running() == 2);
  CHECK(around.manager.stop_of(running.kept).stop_requested());
  CHECK(around.manager.stop_of(also_running.kept).stop_requested());
  CHECK_FALSE(around.manager.stop_of(waiting.kept).stop_requested());
  CHECK_FALSE(around.manager.stop_of(finished.kept).stop_requested());
}

TEST_CASE("lease_manager: start after another event of the batch was stopped, a stop of its own") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a", "b"})};
  around.start(mine, 0);
  const std::stop_token first = around.manager.stop_of(mine.kept);
  around.manager.stop_running();
  around.manager.finish(mine.kept, 0);
  CHECK(around.start(mine, 1));
  CHECK(first.stop_requested());
  CHECK_FALSE(around.manager.stop_of(mine.kept).stop_requested());
  around.manager.stop_running();
  CHECK(around.manager.stop_of(mine.kept).stop_requested());
}

TEST_CASE("lease_manager: a handler's stop callback, may use the manager whatever the stop came from") {
  const std::function<void(surroundings&)> causes[] = {[](surroundings& around) { around.manager.stop_running(); },
                                                       [](surroundings& around) {
                                                         around.limits.max_run_time = 1ms;
                                                         around.clock.advance(1ms);
                                                         around.heartbeat();
                                                       },
                                                       [](surroundings& around) {
                                                         around.take_away();
                                                         around.heartbeat();
                                                       }};
  for (const auto& stop : causes) {
    surroundings around;
    thread_of_worker mine{around.manager, around.claimed({"a", "b"})};
    around.start(mine, 0);
    int calls = 0;
    const std::stop_callback callback{around.manager.stop_of(mine.kept), [&] {
                                        ++calls;
                                        around.manager.release_waiting(mine.kept, around.store);
                                        around.manager.finish(mine.kept, 0);
                                      }};
    stop(around);
    CHECK(calls == 1);
  }
}

TEST_CASE("lease_manager: heartbeats beside a thread that works, each event is run or released and none is lost") {
  surroundings around;
  around.limits.max_run_time = 1ms;
  constexpr std::size_t rounds = 200;
  std::vector<std::vector<claimed_event>> claims;
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::string number = std::to_string(round);
    claims.push_back(around.claimed({"a" + number, "b" + number, "c" + number}));
  }
  std::size_t run = 0;
  std::size_t released = 0;
  std::size_t lost = 0;
  std::atomic<bool> is_over = false;
  std::latch both_run{2};
  std::jthread heart{[&] {
    both_run.arrive_and_wait();
    while (!is_over) {
      const auto found = around.heartbeat();
      released += found.released;
      lost += found.lost.size();
    }
  }};
  std::jthread working{[&] {
    both_run.arrive_and_wait();
    lease_manager::batch& kept = around.manager.open();
    for (const std::vector<claimed_event>& each : claims) {
      around.manager.hold_all(kept, each, instant::max());
      for (std::size_t at = 0; at < each.size(); ++at) {
        if (around.manager.start(kept, at, around.store.now())) {
          ++run;
          around.clock.advance(1ms);
          std::this_thread::yield();
          around.manager.finish(kept, at);
        }
      }
      around.manager.drop(kept, each.size());
    }
    is_over = true;
  }};
  working.join();
  heart.join();
  CHECK(run + released == 3 * rounds);
  CHECK(lost == 0);
}

TEST_CASE("lease_manager: a store that fails while a run takes too long, the next heartbeat says it") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a", "b"})};
  around.limits.max_run_time = 1s;
  around.start(mine, 0);
  const std::stop_token stop = around.manager.stop_of(mine.kept);
  around.clock.advance(1s);
  around.store.is_failing = true;
  CHECK_THROWS_AS(around.heartbeat(), store_error);
  CHECK(stop.stop_requested());
  CHECK_FALSE(around.start(mine, 1));
  CHECK(names(around.heartbeat().too_long) == "booking.created a corr-a;");
}

TEST_CASE("lease_manager: a run that ends while its heartbeat asks it to stop, the next event is not stopped for it") {
  surroundings around;
  thread_of_worker mine{around.manager, around.claimed({"a"})};
  thread_of_worker other{around.manager, around.claimed({"b"})};
  const std::vector<claimed_event> next = around.claimed({"c"});
  around.limits.max_run_time = 1s;
  around.start(mine, 0);
  around.start(other, 0);
  // What the other's thread may do at this moment, done where a test can be sure of the moment.
  const std::stop_callback meanwhile{around.manager.stop_of(mine.kept), [&] {
                                       around.manager.finish(other.kept, 0);
                                       around.manager.drop(other.kept, 1);
                                       around.manager.hold_all(other.kept, next, instant::max());
                                       around.start(other, 0);
                                     }};
  around.clock.advance(1s);
  CHECK(names(around.heartbeat().too_long) == "booking.created a corr-a;booking.created b corr-b;");
  CHECK_FALSE(around.manager.stop_of(other.kept).stop_requested());
}
