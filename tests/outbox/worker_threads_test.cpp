// SPDX-License-Identifier: MIT
// A worker on its own threads, `run` and `run_until_done`: that it ends when it shall, wakes when it shall, leaves
// nothing half done, and keeps an orphan alone. The threads meet at latches and hooks; time is a manual_clock's.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "event_relay/outbox/isolation_lock.hpp"
#include "event_relay/outbox/worker.hpp"
#include "support/catch.hpp"
#include "support/outbox_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using event_relay::testing::collected_breadcrumb;

using failing_bench = worker_bench<failing_store>;

// Of a worker that looks for work only when it is woken, and is not told to give up.
auto sleepy_options(auto& bench) {
  return bench.options().with_poll_interval(24h).with_lease(24h).with_stop_deadline(24h);
}

// For a worker of one thread: whenever nothing is to be done before some instant, it is that instant.
void let_time_pass(failing_bench& bench) {
  bench.store.set_hook([&bench](const exchange_result& result) {
    if (result.claimed.empty() && !result.orphans_waiting && result.next_due && *result.next_due > bench.clock.now()) {
      bench.clock.set(*result.next_due);
    }
  });
}

// Counts down at the first exchange that finds nothing to do.
void count_down_when_idle(failing_bench& bench, std::latch& idle) {
  bench.store.set_hook([&idle, once = std::make_shared<std::once_flag>()](const exchange_result& result) {
    if (result.claimed.empty() && result.settled.empty()) {
      std::call_once(*once, [&] { idle.count_down(); });
    }
  });
}

void wait_for_stop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any requested;
  std::unique_lock lock{mutex};
  requested.wait(lock, stop, [] { return false; });
}

// Gives other threads many chances to do what they should not.
bool happens_soon(const auto& condition) {
  for (int round = 0; round < 20'000 && !condition(); ++round) {
    std::this_thread::yield();
  }
  return condition();
}

void wait_until(const auto& condition) {
  while (!condition()) {
    std::this_thread::yield();
  }
}

std::string steps_of(event_relay::testing::collecting_sink& sink) {
  std::string steps;
  for (const collected_breadcrumb& each : sink.take()) {
    if (each.step.starts_with("outbox.")) {
      steps += fmt::format("{} {}: {}|", each.step, wire_name(each.status), each.error);
    }
  }
  return steps;
}

// Finds something to maintain so many times.
struct unmaintained_store : event_relay::testing::memory_store {
  using memory_store::memory_store;
  bool maintain(std::size_t limit) {
    limits += limit;
    return ++maintained < 7;
  }
  std::atomic<int> maintained = 0;
  std::atomic<std::size_t> limits = 0;
};

// Runs a worker beside the test until it is stopped; the test's end stops it as well.
template <class Worker>
class running {
 public:
  explicit running(Worker& worker)
      : thread_{[&](const std::stop_token& stop) { report_.set_value(worker.run(stop)); }} {}

  worker_report stop() {
    thread_.request_stop();
    return report_.get_future().get();
  }
  void request_stop() { thread_.request_stop(); }

 private:
  std::promise<worker_report> report_;
  std::jthread thread_;
};

}  // namespace

TEST_CASE("worker threads: four of them, every event ends once and no event runs twice at a time") {
  worker_bench bench;
  bench.append_bookings(300);
  bench.handler.otherwise([](const given_run& given) -> memory_answer {
    const int number = given.caused_by.empty() ? std::stoi(given.id.substr(4)) : 1;
    if (number % 3 == 0 && given.retry.attempt == 1) {
      return retry{"busy"};
    }
    if (number % 5 == 0) {
      return reject{"never"};
    }
    return settled_with{[id = given.id](auto& all) { all.texts.push_back(id); },
                        number % 7 == 0 ? processed{push("ada", given.id)} : processed{}};
  });
  worker tested{bench.box, bench.handler,
                bench.options().with_threads(4).with_batch(7).with_backoff(constant_backoff{0ms})};
  // 60 of 300 are rejected; of the other 240 every seventh number (34 of 42) is notified of.
  CHECK(tested.run_until_done() == worker_report{.processed = 240 + 34, .retried = 100, .dead_lettered = 60});
  CHECK_FALSE(bench.store.has_unfinished());
  CHECK(bench.log.runs().size() == 300 + 100 + 34);
  CHECK(faults_of(bench.log.runs()).empty());
  std::vector<std::string> written = bench.store.written();
  std::sort(written.begin(), written.end());
  CHECK(written.size() == 240 + 34);
  CHECK(std::adjacent_find(written.begin(), written.end()) == written.end());
  CHECK(steps_of(bench.sink) == "outbox.stopped succeeded: |");
}

TEST_CASE("worker threads: as many handlers at a time as there are threads") {
  worker_bench bench;
  bench.append_bookings(4);
  std::latch all_there{4};
  bench.handler.otherwise([&](const given_run&) { all_there.arrive_and_wait(); });
  worker tested{bench.box, bench.handler, bench.options().with_threads(4).with_batch(1)};
  CHECK(tested.run_until_done() == worker_report{.processed = 4});
}

// ---- Ending ----

TEST_CASE("worker threads: stopped while idle, it ends at once and has nothing left") {
  failing_bench bench;
  std::latch idle{1};
  count_down_when_idle(bench, idle);
  worker tested{bench.box, bench.handler, sleepy_options(bench).with_threads(2)};
  running one{tested};
  idle.wait();
  CHECK(one.stop() == worker_report{});
  CHECK(steps_of(bench.sink) == "outbox.stopped succeeded: |");
}

TEST_CASE("worker threads: stopped before it began, it claims nothing") {
  failing_bench bench;
  bench.append_bookings(1);
  worker tested{bench.box, bench.handler, bench.options()};
  std::stop_source stop;
  stop.request_stop();
  CHECK(tested.run(stop.get_token()) == worker_report{});
  CHECK(tested.run_until_done(stop.get_token()) == worker_report{});
  CHECK(bench.store.calls(failing_store::claim) == 0);
  CHECK(tested.run_until_done() == worker_report{.processed = 1});
}

TEST_CASE("worker threads: stopped in the midst of a batch, the current ends, the rest is released unattempted") {
  worker_bench bench;
  bench.append_bookings(6);
  std::stop_source stop;
  bench.handler.on("evt-2", [&](const given_run& given) {
    stop.request_stop();
    CHECK_FALSE(given.stop.stop_requested());
    return retry{"busy"};
  });
  worker tested{bench.box, bench.handler, bench.options().with_batch(5)};
  CHECK(tested.run(stop.get_token()) == worker_report{.processed = 1, .retried = 1, .released = 3});
  CHECK(bench.handler.ids() == "evt-1 evt-2");
  CHECK(state_of(bench.store, "evt-2") == "ready 1");
  for (const char* id : {"evt-3", "evt-4", "evt-5", "evt-6"}) {
    CHECK(state_of(bench.store, id) == "ready 0");
  }
  CHECK(bench.log.count("claimed") == 1);
  CHECK(steps_of(bench.sink) == "outbox.stopped succeeded: |");
}

TEST_CASE("worker threads: stopped with a deadline of a day, an attempt that takes long is not told to stop") {
  worker_bench bench;
  bench.append_bookings(1);
  std::stop_source stop;
  bench.handler.on("evt-1", [&](const given_run& given) {
    stop.request_stop();
    CHECK_FALSE(happens_soon([&] { return given.stop.stop_requested(); }));
  });
  worker tested{bench.box, bench.handler, bench.options().with_stop_deadline(24h)};
  CHECK(tested.run(stop.get_token()) == worker_report{.processed = 1});
}

TEST_CASE("worker threads: the deadline to stop is over, what runs is told to stop, waited for, stored and reported") {
  worker_bench bench;
  bench.append_bookings(4);
  std::stop_source stop;
  std::latch both_run{2};
  bench.handler.otherwise([&](const given_run& given) {
    both_run.arrive_and_wait();
    stop.request_stop();
    wait_for_stop(given.stop);
  });
  worker tested{bench.box, bench.handler, bench.options().with_threads(2).with_batch(2).with_stop_deadline(0ms)};
  CHECK(tested.run(stop.get_token()) == worker_report{.processed = 2, .released = 2, .left_running = 2});
  CHECK(steps_of(bench.sink) == "outbox.stopped warned: 2 attempts still ran at the deadline, 0 were not stored|");
}

TEST_CASE("worker threads: the deadline to stop is over and the store still fails, what is not stored is reported") {
  failing_bench bench;
  bench.append_bookings(2);
  std::stop_source stop;
  bench.handler.on("evt-2", [&](const given_run& given) {
    bench.store.fail(failing_store::settle, 1'000'000);
    stop.request_stop();
    wait_for_stop(given.stop);
  });
  worker tested{bench.box, bench.handler, bench.options().with_stop_deadline(0ms)};
  CHECK(tested.run(stop.get_token()) == worker_report{.left_running = 1, .left_unsettled = 2});
  CHECK(state_of(bench.store, "evt-1") == "leased 1");
  CHECK(steps_of(bench.sink)
            .ends_with("outbox.stopped warned: 1 attempts still ran at the deadline, 2 were not stored|"));
}

TEST_CASE("worker threads: stopped while the store fails, what was attempted is stored before the deadline") {
  failing_bench bench;
  bench.append_bookings(3);
  std::stop_source stop;
  bench.handler.on("evt-2", [&](const given_run&) {
    bench.store.fail(failing_store::settle);
    stop.request_stop();
  });
  worker tested{bench.box, bench.handler, bench.options().with_stop_deadline(24h)};
  CHECK(tested.run(stop.get_token()) == worker_report{.processed = 2, .released = 1});
  CHECK(bench.handler.ids() == "evt-1 evt-2");
}

TEST_CASE("worker threads: events that the store does not take back at a stop, not run, and said") {
  failing_bench bench;
  bench.append_bookings(3);
  std::stop_source stop;
  bench.handler.on("evt-1", [&](const given_run&) {
    bench.store.fail(failing_store::release_leases);
    stop.request_stop();
  });
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run(stop.get_token()) == worker_report{.processed = 1});
  CHECK(bench.handler.ids() == "evt-1");
  CHECK(steps_of(bench.sink).starts_with("outbox.release-failed warned: told to fail"));
  bench.clock.advance(bench.lease);
  CHECK(tested.run_until_done() == worker_report{.processed = 2});
  CHECK(bench.handler.runs().back().retry.attempt == 1);
}

// ---- Waking ----

TEST_CASE("worker threads: a commit wakes an idle worker, whatever its poll interval") {
  failing_bench bench;
  std::latch idle{1};
  std::latch handled{1};
  count_down_when_idle(bench, idle);
  bench.handler.on("evt-1", [&](const given_run&) { handled.count_down(); });
  worker tested{bench.box, bench.handler, sleepy_options(bench)};
  running one{tested};
  idle.wait();
  bench.append_bookings(1);
  handled.wait();
  CHECK(one.stop() == worker_report{.processed = 1});
}

TEST_CASE("worker threads: a commit between the scan for work and the wait, not missed") {
  failing_bench bench;
  bench.store.set_hook([&](const exchange_result& result) {
    if (result.claimed.empty() && bench.handler.runs().empty()) {
      bench.append_bookings(1);
    }
  });
  std::stop_source stop;
  bench.handler.on("evt-1", [&](const given_run&) { stop.request_stop(); });
  worker tested{bench.box, bench.handler, sleepy_options(bench)};
  CHECK(tested.run(stop.get_token()) == worker_report{.processed = 1});
}

TEST_CASE("worker threads: an idle worker, at rest until something is due or it is woken") {
  failing_bench bench;
  std::latch idle{1};
  count_down_when_idle(bench, idle);
  worker tested{bench.box, bench.handler, sleepy_options(bench)};
  running one{tested};
  idle.wait();
  CHECK_FALSE(happens_soon([&] { return bench.store.calls(failing_store::claim) > 1; }));
  one.stop();
}

TEST_CASE("worker threads: until done, with its retries, its later events, their follow-ups and orphans") {
  failing_bench bench;
  let_time_pass(bench);
  bench.append_bookings(2);
  bench.append({.available_at = sample_instant + 1h}, sample_event("evt-3"));
  bench.handler.on("evt-1", retry{"busy"}).on("evt-1", retry{"busy", 2h}).on("evt-3", processed{push("ada", "note")});
  bench.claim_elsewhere(claim_kind::ordinary, 1);
  worker tested{bench.box, bench.handler, sleepy_options(bench)};
  CHECK(tested.run_until_done() == worker_report{.processed = 4, .retried = 2});
  CHECK_FALSE(bench.store.has_unfinished());
  CHECK((bench.clock.now() == sample_instant + bench.lease + 1s + 2h));
}

TEST_CASE("worker threads: until done, and again with what was appended since") {
  worker_bench bench;
  worker tested{bench.box, bench.handler, bench.options().with_threads(3)};
  CHECK(tested.run_until_done() == worker_report{});
  for (const char* id : {"evt-1", "evt-2"}) {
    bench.append(sample_event(id));
    CHECK(tested.run_until_done() == worker_report{.processed = 1});
  }
}

TEST_CASE("worker threads: until done, not before another worker's event has ended") {
  failing_bench bench;
  bench.append_bookings(1);
  const auto others = bench.claim_elsewhere();
  std::latch idle{1};
  count_down_when_idle(bench, idle);
  worker tested{bench.box, bench.handler, sleepy_options(bench)};
  std::atomic<bool> is_over = false;
  std::jthread thread{[&] {
    tested.run_until_done();
    is_over = true;
  }};
  idle.wait();
  CHECK_FALSE(happens_soon([&] { return is_over.load(); }));
  settlement<failing_store::transaction> end;
  end.held = others.at(0).held;
  settle(bench.store, std::span{&end, 1});
  bench.store.signal().wake();
  thread.join();
  CHECK(is_over);
}

// ---- A store that fails ----

TEST_CASE("worker threads: a store that fails, the worker says that it pauses and goes on, and loses nothing") {
  for (const auto failing : {failing_store::claim, failing_store::settle, failing_store::look}) {
    CAPTURE(failing);
    failing_bench bench;
    bench.append_bookings(3);
    bench.store.fail(failing, failing == failing_store::look ? 1 : 3);
    worker tested{bench.box, bench.handler, bench.options().with_batch(2)};
    CHECK(tested.run_until_done() == worker_report{.processed = 3});
    CHECK(bench.handler.ids() == "evt-1 evt-2 evt-3");
    CHECK(steps_of(bench.sink) ==
          "outbox.store-paused retrying: told to fail: the database is locked by another connection|"
          "outbox.store-resumed succeeded: |outbox.stopped succeeded: |");
  }
}

TEST_CASE("worker threads: a store that waiting cannot mend, thrown by run_until_done; run waits nevertheless") {
  failing_bench bench;
  bench.append_bookings(1);
  bench.store.fail(failing_store::claim, 2, store_errc::corrupt);
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK_THROWS_AS(tested.run_until_done(), store_error);
  std::stop_source stop;
  bench.handler.on("evt-1", [&](const given_run&) { stop.request_stop(); });
  CHECK(tested.run(stop.get_token()) == worker_report{.processed = 1});
}

// ---- What an injected part throws ----

TEST_CASE("worker threads: what an observer throws, ends all threads and is thrown by run") {
  for (const std::string call : {"claimed", "started", "ended", "settling", "settled"}) {
    CAPTURE(call);
    worker_bench bench;
    bench.append_bookings(20);
    std::atomic<bool> has_thrown = false;
    bench.log.set_hook([&](std::string_view line) {
      if (line.starts_with(call) && !has_thrown.exchange(true)) {
        throw std::runtime_error{"no"};
      }
    });
    worker tested{bench.box, bench.handler, sleepy_options(bench).with_threads(3).with_batch(2)};
    CHECK_THROWS_WITH(tested.run({}), "no");
    CHECK(steps_of(bench.sink).find("outbox.stopped") != std::string::npos);
  }
}

TEST_CASE("worker threads: what an attempt policy throws, thrown by run") {
  worker_bench bench;
  bench.append_bookings(2);
  const auto faults = [](const attempt_info&) -> bool { throw std::runtime_error{"no"}; };
  worker tested{bench.box, bench.handler, bench.options().with_faults(faults)};
  CHECK_THROWS_WITH(tested.run({}), "no");
  CHECK(bench.handler.runs().empty());
}

TEST_CASE("worker threads: a std::system_error of an observer, thrown by run as any other") {
  worker_bench bench;
  bench.append_bookings(1);
  std::stop_source stop;
  bench.log.set_hook([&](std::string_view line) {
    if (line.starts_with("started")) {
      stop.request_stop();
      throw std::system_error{std::make_error_code(std::errc::no_space_on_device), "the observer's log"};
    }
  });
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK_THROWS_AS(tested.run(stop.get_token()), std::system_error);
}

// ---- The heartbeat ----

TEST_CASE("worker threads: a run that lasts, its lease is renewed meanwhile") {
  failing_bench bench;
  bench.append_bookings(1);
  bench.handler.on("evt-1", [&](const given_run&) {
    bench.store.wait_for_calls(failing_store::renew_leases, bench.store.calls(failing_store::renew_leases) + 2);
  });
  worker tested{bench.box, bench.handler, bench.options().with_lease(30ms)};
  CHECK(tested.run_until_done() == worker_report{.processed = 1});
}

TEST_CASE("worker threads: a renewal that fails, said, and the worker goes on") {
  failing_bench bench;
  bench.append_bookings(1);
  bench.store.fail(failing_store::renew_leases);
  bench.handler.on("evt-1", [&](const given_run&) { bench.store.wait_for_calls(failing_store::renew_leases, 2); });
  worker tested{bench.box, bench.handler, bench.options().with_lease(30ms)};
  CHECK(tested.run_until_done() == worker_report{.processed = 1});
  CHECK(steps_of(bench.sink).starts_with("outbox.heartbeat-failed retrying: told to fail"));
}

TEST_CASE("worker threads: an attempt that takes too long, told to stop by the heartbeat; the rest in the report") {
  worker_bench bench;
  bench.append_bookings(3);
  std::stop_source stop;
  bench.handler.on("evt-1", [&](const given_run& given) {
    bench.clock.advance(5min);
    wait_for_stop(given.stop);
    stop.request_stop();
  });
  worker tested{bench.box, bench.handler, bench.options().with_lease(30ms)};
  CHECK(tested.run(stop.get_token()) == worker_report{.processed = 1, .released = 2});
  CHECK(steps_of(bench.sink).starts_with("outbox.run-too-long failed: "));
}

// ---- Orphans ----

TEST_CASE(
    "worker threads: an orphan, never run beside any other event of the process, by two workers of many threads") {
  worker_bench bench;
  bench.append_bookings(40);
  bench.crash_elsewhere(claim_kind::ordinary, 15);
  const auto options = [&] { return bench.options().with_threads(3).with_batch(2); };
  bench.handler.otherwise([](const given_run&) {
    for (int round = 0; round < 50; ++round) {
      std::this_thread::yield();
    }
  });
  worker one{bench.box, bench.handler, options()};
  worker other{bench.box, bench.handler, options()};
  worker_report of_other;
  worker_report of_one;
  {
    std::jthread beside{[&] { of_other = other.run_until_done(); }};
    of_one = one.run_until_done();
  }
  CHECK(of_one.processed + of_other.processed == 40);
  const auto runs = bench.log.runs();
  CHECK(std::count_if(runs.begin(), runs.end(), [](const run_log::run& each) { return each.isolated; }) == 15);
  CHECK(faults_of(runs).empty());
}

TEST_CASE("worker threads: an orphan, waits for another worker's event that runs, and the next ones wait for it") {
  worker_bench bench;
  bench.append(sample_event("orphan"));
  bench.crash_elsewhere();
  bench.append(sample_event("first"), sample_event("second"), sample_event("third"));
  std::latch first_begun{1};
  std::atomic<bool> has_orphan_begun = false;
  bench.handler
      .on("first",
          [&](const given_run&) {
            first_begun.count_down();
            wait_until([&] { return has_orphan_begun || isolation_lock::of_process().isolation_is_wanted(); });
            CHECK_FALSE(happens_soon([&] { return has_orphan_begun.load(); }));
          })
      .on("orphan", [&](const given_run&) {
        has_orphan_begun = true;
        CHECK_FALSE(happens_soon([&] { return bench.handler.runs().size() > 3; }));
      });
  worker one{bench.box, bench.handler, bench.options().with_batch(1)};
  worker other{bench.box, bench.handler, bench.options().with_batch(1)};
  {
    std::jthread beside{[&] {
      for (int step = 0; step < 3; ++step) {
        one.run_once();  // the first, no orphan any more, the third
      }
    }};
    first_begun.wait();
    other.run_once();  // the second, and it learns of the orphan
    other.run_once();
  }
  CHECK(bench.handler.ids() == "first second orphan third");
  CHECK(faults_of(bench.log.runs()).empty());
}

TEST_CASE("worker threads: an orphan, not put off by another store's worker whose work has no end") {
  worker_bench bench;
  bench.append(sample_event("orphan"));
  bench.crash_elsewhere();
  bench.claim_elsewhere(claim_kind::ordinary, 1);  // finds the orphan and nothing else
  worker_bench busy_bench;
  std::latch is_busy{1};
  int runs = 0;
  busy_bench.handler.otherwise([&](const given_run& given) {
    if (++runs == 2) {
      is_busy.count_down();
      wait_until([] { return isolation_lock::of_process().isolation_is_wanted(); });
    }
    if (runs < 100) {
      busy_bench.append(sample_event(given.id + '+'));
    }
  });
  busy_bench.append_bookings(1);
  worker busy{busy_bench.box, busy_bench.handler, busy_bench.options()};
  int runs_before_orphan = 0;
  bench.handler.on("orphan", [&](const given_run&) { runs_before_orphan = runs; });
  worker tested{bench.box, bench.handler, bench.options()};
  tested.run_once();
  {
    std::jthread beside{[&] { busy.run_until_done(); }};
    is_busy.wait();
    tested.run_once();
  }
  CHECK(runs == 100);
  CHECK(runs_before_orphan == 2);
}

TEST_CASE("worker threads: stopped while it waits to be alone, it claims nothing more") {
  failing_bench bench;
  bench.append(sample_event("orphan"));
  bench.crash_elsewhere();
  bench.append(sample_event("long"));
  std::latch long_begun{1};
  std::latch may_end{1};
  bench.handler.on("long", [&](const given_run&) {
    long_begun.count_down();
    may_end.wait();
  });
  worker busy{bench.box, bench.handler, bench.options()};
  std::jthread beside{[&] { busy.run_once(); }};
  long_begun.wait();
  worker tested{bench.box, bench.handler, sleepy_options(bench)};
  running one{tested};
  wait_until([] { return isolation_lock::of_process().isolation_is_wanted(); });
  one.request_stop();
  may_end.count_down();
  CHECK(one.stop() == worker_report{});
  beside.join();
}

TEST_CASE("worker threads: stopped while it waits for another's orphan to end, it ends at once") {
  worker_bench bench;
  bench.append(sample_event());
  const isolation_lock::isolated_pass somebody{isolation_lock::of_process()};
  worker tested{bench.box, bench.handler, bench.options()};
  std::stop_source stop;
  auto ended = std::async(std::launch::async, [&] { return tested.run(stop.get_token()); });
  stop.request_stop();
  CHECK(ended.get() == worker_report{});
}

TEST_CASE("worker threads: an attempt that never ends, orphans are put off for a while and the others go on") {
  worker_bench bench;
  bench.append(sample_event("orphan"));
  bench.crash_elsewhere();
  bench.append(sample_event("hung"), sample_event("first"), sample_event("second"));
  std::latch has_hung{1};
  std::latch may_end{1};
  bench.handler.on("hung", [&](const given_run&) {
    has_hung.count_down();
    may_end.wait();
  });
  worker busy{bench.box, bench.handler, bench.options().with_batch(1)};
  worker tested{bench.box, bench.handler, bench.options().with_batch(1).with_lease(30ms)};
  {
    std::jthread beside{[&] { busy.run_once(); }};
    has_hung.wait();
    tested.run_once();                                          // the first, and it learns of the orphan
    CHECK(tested.run_once() == worker_report{.processed = 1});  // not alone, so the second
    CHECK(bench.handler.ids() == "hung first second");
    CHECK(steps_of(bench.sink) ==
          "outbox.orphans-put-off warned: another attempt of this process has lasted for 30 ms or more|");
    CHECK(tested.run_once() == worker_report{});
    may_end.count_down();
  }
  bench.clock.advance(300ms);
  tested.run_once();
  CHECK(tested.run_once() == worker_report{.processed = 1});
  CHECK(bench.handler.ids() == "hung first second orphan");
}

TEST_CASE(
    "worker threads: the store is maintained a part at a time, and on until nothing is left, before the next "
    "heartbeat") {
  worker_bench<unmaintained_store> bench;
  worker tested{bench.box, bench.handler, sleepy_options(bench)};
  running work{tested};
  wait_until([&] { return bench.store.maintained == 7; });
  CHECK_FALSE(happens_soon([&] { return bench.store.maintained > 7; }));
  CHECK(bench.store.limits == 7 * 200);
  CHECK(work.stop() == worker_report{});
}
