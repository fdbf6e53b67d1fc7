// SPDX-License-Identifier: MIT
// A worker and ordering keys: one event of a key at a time and in order, through retries and dead letters, step by
// step and by four threads; and that its heartbeat sweeps.
#include <chrono>
#include <cstddef>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "event_relay/outbox/worker.hpp"
#include "support/catch.hpp"
#include "support/outbox_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;

// evt-1, evt-2 and evt-3 of one key, and evt-4 without one.
struct keyed_worker_bench : worker_bench<> {
  keyed_worker_bench() {
    for (const char* const id : {"evt-1", "evt-2", "evt-3"}) {
      append({.ordering_key = "booking-1"}, sample_event(id));
    }
    append(sample_event("evt-4"));
  }

  auto options() { return worker_bench::options().with_backoff(constant_backoff{10s}); }
  auto holding_options() { return options().with_key_after_dead_letter(key_after_dead_letter::held); }
  std::string states() {
    std::string all;
    for (const char* const id : {"evt-1", "evt-2", "evt-3", "evt-4"}) {
      all += fmt::format("{}{}", all.empty() ? "" : ", ", state_of(store, id));
    }
    return all;
  }
  void redrive(const std::string& id) {
    const std::vector<redrive_request> all{{id, clock.now()}};
    CHECK(store.redrive(all) == std::vector<bool>{true});
  }
};

struct maintenance_counting_store : event_relay::testing::memory_store {
  using memory_store::memory_store;
  bool maintain(std::size_t limit) {
    ++maintained;
    at_a_time = limit;
    return memory_store::maintain(limit);
  }
  int maintained = 0;
  std::size_t at_a_time = 0;
};

}  // namespace

TEST_CASE("worker ordering: a batch holds one event of a key, and the next step the next one") {
  keyed_worker_bench bench;
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_once() == worker_report{.processed = 2});
  CHECK(bench.handler.ids() == "evt-1 evt-4");
  tested.run_once();
  tested.run_once();
  CHECK(bench.handler.ids() == "evt-1 evt-4 evt-2 evt-3");
  CHECK_FALSE(bench.store.has_unfinished());
}

TEST_CASE("worker ordering: a retry in backoff, and a write that fails, keep the key's others waiting") {
  keyed_worker_bench bench;
  bench.handler.on("evt-1", retry{"busy"}).on("evt-1", settled_with{[](auto&) { throw std::runtime_error{"no"}; }});
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_once() == worker_report{.processed = 1, .retried = 1});
  CHECK(tested.run_once() == worker_report{});
  bench.clock.advance(10s);
  CHECK(tested.run_once() == worker_report{.retried = 1});
  CHECK(bench.states() == "ready 2, blocked 0, blocked 0, gone");
  bench.clock.advance(10s);
  tested.run_once();
  CHECK(bench.states() == "gone, ready 0, blocked 0, gone");
}

TEST_CASE("worker ordering: a dead letter, its key released unless it is told otherwise") {
  keyed_worker_bench bench;
  bench.handler.on("evt-1", reject{"never"});
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_until_done() == worker_report{.processed = 3, .dead_lettered = 1});
  CHECK_FALSE(bench.store.find("evt-1")->holds_key);
  CHECK(bench.states() == "dead-letter 1 rejected, gone, gone, gone");
}

TEST_CASE("worker ordering: a dead letter whose key is held, all is done but what waits for it, until the redrive") {
  keyed_worker_bench bench;
  bench.handler.on("evt-1", reject{"never"});
  worker tested{bench.box, bench.handler, bench.holding_options()};
  CHECK(tested.run_until_done() == worker_report{.processed = 1, .dead_lettered = 1});
  CHECK(bench.states() == "dead-letter 1 rejected, blocked 0, blocked 0, gone");
  CHECK(bench.store.find("evt-1")->holds_key);
  bench.redrive("evt-1");
  CHECK(tested.run_until_done() == worker_report{.processed = 3});
  CHECK(bench.handler.ids() == "evt-1 evt-4 evt-1 evt-2 evt-3");
  CHECK(bench.handler.runs().at(2).retry.attempt == 1);
  CHECK(bench.handler.runs().at(2).token > bench.handler.runs().at(0).token);
}

TEST_CASE("worker ordering: attempts that are exhausted and an undecodable payload release or hold as well") {
  for (const auto key : {key_after_dead_letter::released, key_after_dead_letter::held}) {
    const bool is_held = key == key_after_dead_letter::held;
    CAPTURE(is_held);
    keyed_worker_bench bench;
    bench.handler.on("evt-1", retry{"busy"});
    event_record broken = bench.store.find("evt-1")->record;
    broken.id = "broken-1";
    broken.payload = "{";
    broken.ordering_key = "broken";
    bench.append_record(broken);
    broken.id = "broken-2";
    bench.append_record(broken);
    worker tested{bench.box, bench.handler, bench.options().with_max_attempts(1).with_key_after_dead_letter(key)};
    CHECK(tested.run_once() == worker_report{.processed = 1, .dead_lettered = 2});
    CHECK(bench.store.find("evt-1")->holds_key == is_held);
    CHECK(bench.store.find("broken-1")->holds_key == is_held);
    CHECK(state_of(bench.store, "evt-2") == (is_held ? "blocked 0" : "ready 0"));
    CHECK(state_of(bench.store, "broken-2") == (is_held ? "blocked 0" : "ready 0"));
  }
}

TEST_CASE("worker ordering: a redriven event that fails again, a dead letter again") {
  keyed_worker_bench bench;
  bench.handler.on("evt-1", reject{"never"}).on("evt-1", reject{"still not"});
  worker tested{bench.box, bench.handler, bench.holding_options()};
  tested.run_until_done();
  bench.redrive("evt-1");
  tested.run_until_done();
  CHECK(bench.states() == "dead-letter 1 rejected, blocked 0, blocked 0, gone");
  CHECK(history_of(bench.store, "evt-1") == "1 never, 1 still not");
}

TEST_CASE("worker ordering: the event that a crash interrupted, before the others of its key") {
  keyed_worker_bench bench;
  bench.crash_elsewhere();
  worker tested{bench.box, bench.handler, bench.options()};
  tested.run_until_done();
  std::string of_the_key;
  for (const given_run& each : bench.handler.runs()) {
    of_the_key += each.id == "evt-4" ? "" : each.id + " ";
  }
  CHECK(of_the_key == "evt-1 evt-2 evt-3 ");
  CHECK(faults_of(bench.log.runs()).empty());
}

TEST_CASE("worker ordering: the heartbeat sweeps, so many keys at a time and not all at once") {
  worker_bench<maintenance_counting_store> bench;
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(bench.store.maintained == 0);
  tested.heartbeat();
  tested.heartbeat();
  CHECK(bench.store.maintained == 2);
  CHECK(bench.store.at_a_time > 0);
  CHECK(bench.store.at_a_time <= 1'000);
}

TEST_CASE("worker ordering: four threads over five keys, no two of a key at a time and each key in its order") {
  constexpr int events = 200;
  const auto key_of = [](const std::string& id) { return std::stoi(id.substr(4)) % 5; };
  worker_bench bench;
  for (int number = 100; number < 100 + events; ++number) {
    bench.append({.ordering_key = fmt::format("key-{}", number % 5)}, sample_event(fmt::format("evt-{}", number)));
  }
  bench.handler.otherwise([](const given_run& given) -> memory_answer {
    const int number = std::stoi(given.id.substr(4));
    if (number % 3 == 0 && given.retry.attempt == 1) {
      return retry{"busy"};
    }
    return number % 7 == 0 ? memory_answer{reject{"never"}} : memory_answer{processed{}};
  });
  worker tested{
      bench.box, bench.handler,
      bench.options().with_threads(4).with_batch(2).with_backoff(constant_backoff{0ms}).with_poll_interval(1ms)};
  tested.run_until_done();
  const std::vector<run_log::run> runs = bench.log.runs();
  CHECK(runs.size() == events + events / 3);
  std::map<int, run_log::run> last;
  std::vector<std::string> faults;
  for (const run_log::run& each : runs) {
    const auto [before, is_first] = last.emplace(key_of(each.id), each);
    if (!is_first && (each.overlaps(before->second) || each.id < before->second.id)) {
      faults.push_back(fmt::format("{} after {}", each.id, before->second.id));
    }
    before->second = each;
  }
  CHECK(faults.empty());
  CHECK_FALSE(bench.store.has_unfinished());
}
