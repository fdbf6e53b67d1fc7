// SPDX-License-Identifier: MIT
// What a long queue costs those who do not stand in it, in an SQLite file: the same work on a store with a million
// events of one kind and on an empty one, in turns within one run, so read the ratios. And what metrics cost.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <event_relay/event_relay.hpp>
#include <event_relay/sqlite/sqlite.hpp>

#include "benchmark/measure.hpp"

namespace {

using namespace event_relay_benchmark;
using namespace std::chrono_literals;
using event_relay::claim_kind;
using event_relay::claim_limit;
using event_relay::claimed_event;
using event_relay::event_record;
using event_relay::sqlite::connection;
using event_relay::sqlite::immediate_transaction;
using settlement = event_relay::settlement<connection>;

enum class queue {
  key_in_backoff,  // all of one key, whose head waits for its next attempt
  scheduled,
  dead_letters,
  kept,       // processed
  for_limit,  // ready, of a name of which no more may run
};

class queue_in_file {
 public:
  // No commit waits for the disk, which would hide what the claims cost.
  explicit queue_in_file(const std::string& path)
      : store_{path, {.durability = event_relay::sqlite::synchronous::normal, .keep_processed = 1h}}, host_{path, 5s} {
    host_.execute("PRAGMA synchronous = OFF");
  }

  // So many events, each with whatever `more` gives it.
  template <class More>
  void append(std::size_t count, const std::string& prefix, More more) {
    for (std::size_t done = 0; done < count;) {
      std::vector<event_record> records;
      for (; done < count && records.size() < 1000; ++done) {
        records.push_back({.id = fmt::format("{}-{:012}", prefix, done),
                           .name = "booking.created",
                           .payload = payload_,
                           .occurred_at = store_.now(),
                           .correlation_id = "corr-1"});
        more(records.back(), done);
      }
      immediate_transaction together{host_};
      store_.append(host_.handle(), records);
      together.commit();
    }
  }

  void fill(queue with, std::size_t count) {
    append(count, "queued", [&](event_record& each, std::size_t) {
      each.ordering_key = with == queue::key_in_backoff ? "stuck" : "";
      each.name = with == queue::for_limit ? "waits.for.limit" : each.name;
      if (with == queue::scheduled) {
        each.available_at = store_.now() + 24h;
      }
    });
    if (with == queue::key_in_backoff) {
      settle_as(claim(1), [](settlement& each) {
        each.status = event_relay::attempt_status::retry_scheduled;
        each.delay = 24h;
      });
    }
    if (with == queue::dead_letters || with == queue::kept) {
      for (auto claims = claim(1000); !claims.empty(); claims = claim(1000)) {
        settle_as(claims, [&](settlement& each) {
          each.status =
              with == queue::kept ? event_relay::attempt_status::processed : event_relay::attempt_status::dead_letter;
        });
      }
    }
  }

  // Batches of others from claim to settle; `round` makes their ids new.
  std::size_t work(int round, const std::vector<claim_limit>& limits) {
    append(1000, fmt::format("other-{}", round),
           [](event_record& each, std::size_t number) { each.ordering_key = fmt::format("key-{}", number % 500); });
    std::size_t processed = 0;
    for (auto claims = claim(100, limits); !claims.empty(); claims = claim(100, limits)) {
      settle_as(claims, [](settlement&) {});
      processed += claims.size();
    }
    return processed;
  }

  event_relay::queue_metrics metrics() { return store_.metrics(); }

 private:
  std::vector<claimed_event> claim(std::size_t limit, const std::vector<claim_limit>& limits = {}) {
    return store_.exchange({}, {limit, 30s, claim_kind::ordinary, limits}).claimed;
  }
  template <class Change>
  void settle_as(const std::vector<claimed_event>& claims, Change change) {
    std::vector<settlement> ends;
    for (const claimed_event& each : claims) {
      ends.push_back({.held = each.held,
                      .name = each.record.name,
                      .ordering_key = each.record.ordering_key,
                      .attempt = each.attempt,
                      .has_history = false});
      change(ends.back());
    }
    store_.exchange(ends, {});
  }

  const std::string payload_ = std::string(200, 'x');
  event_relay::sqlite::store<> store_;
  connection host_;
};

void work_beside(benchmark::State& state, queue kind) {
  const temporary_folder folder;
  queue_in_file full{folder.file("full")};
  queue_in_file empty{folder.file("empty")};
  full.fill(kind, static_cast<std::size_t>(state.range(0)));
  const std::vector<claim_limit> limits =
      kind == queue::for_limit ? std::vector<claim_limit>{{"waits.for.limit", 0}} : std::vector<claim_limit>{};
  std::vector<double> ratio;
  std::vector<double> ratio_cpu;
  int round = 0;
  for (auto _ : state) {
    std::size_t processed = 0;
    cost of_full;
    cost of_empty;
    const auto run = [&](queue_in_file& on, cost& of) { of = measured([&] { processed += on.work(round, limits); }); };
    run(round % 2 == 0 ? full : empty, round % 2 == 0 ? of_full : of_empty);
    run(round % 2 == 0 ? empty : full, round % 2 == 0 ? of_empty : of_full);
    ++round;
    if (processed != 2000) {
      state.SkipWithError("not every event was processed");
    }
    ratio.push_back(of_full.wall / of_empty.wall);
    ratio_cpu.push_back(of_full.cpu / of_empty.cpu);
    state.SetIterationTime(of_full.wall);
  }
  state.counters["ratio"] = median(ratio);
  state.counters["ratio_cpu"] = median(ratio_cpu);
}

void metrics(benchmark::State& state, queue kind) {
  const temporary_folder folder;
  queue_in_file full{folder.file("full")};
  full.fill(kind, static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(full.metrics());
  }
}

void with_sizes(benchmark::internal::Benchmark* each) {
  each->ArgName("events")->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
}
void in_turns(benchmark::internal::Benchmark* each) {
  with_sizes(each);
  each->Iterations(60)->UseManualTime();
}

BENCHMARK_CAPTURE(work_beside, key_in_backoff, queue::key_in_backoff)->Apply(in_turns);
BENCHMARK_CAPTURE(work_beside, scheduled, queue::scheduled)->Apply(in_turns);
BENCHMARK_CAPTURE(work_beside, dead_letters, queue::dead_letters)->Apply(in_turns);
BENCHMARK_CAPTURE(work_beside, kept, queue::kept)->Apply(in_turns);
BENCHMARK_CAPTURE(work_beside, for_limit, queue::for_limit)->Apply(in_turns);
BENCHMARK_CAPTURE(metrics, key_in_backoff, queue::key_in_backoff)->Apply(with_sizes);
BENCHMARK_CAPTURE(metrics, ready, queue::for_limit)->Apply(with_sizes);
BENCHMARK_CAPTURE(metrics, dead_letters, queue::dead_letters)->Apply(with_sizes);

}  // namespace
BENCHMARK_MAIN();
