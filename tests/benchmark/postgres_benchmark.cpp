// SPDX-License-Identifier: MIT
// What an outbox in PostgreSQL costs beside a cycle written by hand on libpq: the sides take turns within one run, so
// read their ratios. The server is the one that EVENT_RELAY_TEST_POSTGRES names, with fsync on.
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <libpq-fe.h>
#include <event_relay/event_relay.hpp>
#include <event_relay/json/json_codec.hpp>
#include <event_relay/postgres/postgres.hpp>

#include "benchmark/measure.hpp"
#include "benchmark/outbox_parts.hpp"
#include "events.hpp"

namespace {

using namespace bookings;
using namespace event_relay_benchmark;
using namespace std::chrono_literals;
using event_relay::json_codec;
using event_relay::worker;
using event_relay::worker_options;
using event_relay::postgres::array;
using event_relay::postgres::store;
using event_relay::postgres::detail::parameter_list;

std::string server() {
  const char* const given = std::getenv("EVENT_RELAY_TEST_POSTGRES");
  if (given == nullptr) {
    throw std::runtime_error{"EVENT_RELAY_TEST_POSTGRES names no server"};
  }
  return given;
}

using result = std::unique_ptr<PGresult, decltype(&PQclear)>;

/// A connection as a host has one.
class plain_connection {
 public:
  plain_connection() : handle_{PQconnectdb(server().c_str()), PQfinish} {
    PQsetNoticeProcessor(
        handle_.get(), [](void*, const char*) {}, nullptr);
  }

  PGconn* get() const { return handle_.get(); }
  void run(const std::string& sql) { checked(PQexec(get(), sql.c_str())); }
  void prepare(const char* name, const std::string& sql) { checked(PQprepare(get(), name, sql.c_str(), 0, nullptr)); }
  template <class... Parameters>
  result run_prepared(const char* name, const Parameters&... parameters) {
    const parameter_list list{parameters...};
    return checked(PQexecPrepared(get(), name, list.size(), list.values(), list.lengths(), list.formats(), 0));
  }

 private:
  result checked(PGresult* made) {
    result owned{made, PQclear};
    if (PQresultStatus(made) != PGRES_COMMAND_OK && PQresultStatus(made) != PGRES_TUPLES_OK) {
      throw std::runtime_error{PQerrorMessage(get())};
    }
    return owned;
  }

  std::unique_ptr<PGconn, decltype(&PQfinish)> handle_;
};

void drop_tables(const std::string& prefix) {
  plain_connection{}.run("DROP TABLE IF EXISTS " + prefix + "events, " + prefix + "failures, " + prefix + "outcomes, " +
                         prefix + "outbox; DROP SEQUENCE IF EXISTS " + prefix + "tokens");
}

store<> fresh_store(const std::string& prefix) {
  drop_tables(prefix);
  return store<>{server(), {.names = {.schema = "public", .prefix = prefix}}};
}

/// The library as a host uses it: the host's connection appends, the store's own carry on.
template <class Handler = brief_handler>
class with_event_relay {
 public:
  with_event_relay(const std::string& prefix, std::size_t batch, Handler handler = {})
      : store_{fresh_store(prefix)}, worker_{outbox_, std::move(handler), worker_options().with_batch(batch)} {}

  void append(std::span<const booking_created> events) {
    host_.run("BEGIN");
    outbox_.append(host_.get(), events);
    host_.run("COMMIT");
  }
  std::uint64_t run_once() { return worker_.run_once().processed; }
  std::uint64_t run_until_done() { return worker_.run_until_done().processed; }
  void run(const std::stop_token& stop) { worker_.run(stop); }
  bool has_unfinished() { return store_.has_unfinished(); }

 private:
  store<> store_;
  plain_connection host_;
  event_relay::outbox<outbox_events, store<>, json_codec> outbox_{outbox_events{}, store_, json_codec{}};
  worker<decltype(outbox_), Handler> worker_;
};

/// The same by hand: prepared statements over arrays, three transactions a batch, no codec, over the library's tables
/// and indexes, or over a table that has no index but its key and the one to claim by.
class by_hand {
 public:
  enum class table { same, plainest };

  by_hand(const std::string& prefix, table of) {
    if (of == table::same) {
      fresh_store(prefix);
    } else {
      drop_tables(prefix);
      host_.run(
          "CREATE TABLE " + prefix +
          "events (row bigserial PRIMARY KEY, id text NOT NULL, name text NOT NULL, payload text NOT NULL, "
          "occurred_at bigint NOT NULL, correlation_id text NOT NULL, replayed boolean NOT NULL, state smallint NOT "
          "NULL DEFAULT 0, available_at bigint NOT NULL, attempt bigint NOT NULL DEFAULT 0, token bigint NOT NULL "
          "DEFAULT 0, leased_until bigint); CREATE INDEX " +
          prefix + "ready ON " + prefix + "events (available_at, row) WHERE state = 0");
    }
    for (plain_connection* const each : {&host_, &own_}) {
      each->run("SET jit = off; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan");
    }
    host_.prepare("insert",
                  "INSERT INTO " + prefix +
                      "events (id, name, payload, occurred_at, correlation_id, replayed, available_at) SELECT "
                      "n.*, false, $6::bigint FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], "
                      "$5::text[]) n");
    own_.prepare("claim", "UPDATE " + prefix +
                              "events SET state = 1, attempt = attempt + 1, token = $1, leased_until = $2 WHERE row IN "
                              "(SELECT row FROM " +
                              prefix +
                              "events WHERE state = 0 AND available_at <= $3 ORDER BY available_at, row LIMIT $4 "
                              "FOR UPDATE SKIP LOCKED) RETURNING row, id, name, payload, correlation_id, attempt");
    own_.prepare("settle",
                 "DELETE FROM " + prefix + "events WHERE row = ANY ($1::bigint[]) AND token = $2 AND state = 1");
  }

  void append(std::span<const booking_created> events) {
    array ids = array::of_texts();
    array names = array::of_texts();
    array payloads = array::of_texts();
    array occurred_at = array::of_integers();
    array correlation_ids = array::of_texts();
    for (const booking_created& event : events) {
      ids.add(std::string_view{event.id});
      names.add(std::string_view{booking_created::name});
      payloads.add(std::string_view{text_});
      occurred_at.add(event.occurred_at.time_since_epoch().count());
      correlation_ids.add(event.correlation.view());
    }
    host_.run("BEGIN");
    host_.run_prepared("insert", ids, names, payloads, occurred_at, correlation_ids, now());
    host_.run("COMMIT");
  }

  // The claim keeps what a handler would need.
  void claim(std::size_t limit) {
    claimed_.clear();
    const result got = own_.run_prepared("claim", ++token_, now() + 30'000, now(), static_cast<std::int64_t>(limit));
    for (int at = 0; at < PQntuples(got.get()); ++at) {
      const auto text = [&](int column) {
        return std::string{PQgetvalue(got.get(), at, column),
                           static_cast<std::size_t>(PQgetlength(got.get(), at, column))};
      };
      const std::string number = text(0);
      std::int64_t parsed = 0;
      std::from_chars(number.data(), number.data() + number.size(), parsed);
      claimed_.push_back({parsed, text(1), text(2), text(3), text(4)});
    }
  }

  std::size_t settle() {
    array rows = array::of_integers();
    for (const row& each : claimed_) {
      rows.add(each.number);
    }
    own_.run_prepared("settle", rows, token_);
    return claimed_.size();
  }

 private:
  struct row {
    std::int64_t number;
    std::string id;
    std::string name;
    std::string payload;
    std::string correlation_id;
  };

  static std::int64_t now() { return event_relay::system_clock{}.now().time_since_epoch().count(); }

  const std::string text_ = json_codec{}.encode(make_events(1).front().payload);
  plain_connection host_;
  plain_connection own_;
  std::int64_t token_ = 0;
  std::vector<row> claimed_;
};

// Append to processed, a batch a transaction of the host: all are appended and then carried on by a worker
// of one thread, which settles one batch and claims the next in one transaction.
void append_to_processed(benchmark::State& state) {
  constexpr std::size_t count = 20'000;
  const auto batch = static_cast<std::size_t>(state.range(0));
  const std::vector<booking_created> events = make_events(count);
  const auto all = cut(events, batch);
  with_event_relay library{"bench_relay_", batch};
  by_hand same{"bench_same_", by_hand::table::same};
  by_hand plainest{"bench_plain_", by_hand::table::plainest};

  std::uint64_t processed = 0;
  const auto run_library = [&](batches some) {
    for (const auto& each : some) {
      library.append(each);
    }
    processed += library.run_until_done();
  };
  const auto run_by_hand = [&](by_hand& cycle, batches some) {
    for (const auto& each : some) {
      cycle.append(each);
    }
    for (const auto& each : some) {
      cycle.claim(each.size());
      processed += cycle.settle();
    }
  };

  std::array<std::vector<double>, 3> rates;
  std::array<std::vector<double>, 3> ratios;
  std::size_t first = 0;
  for (auto _ : state) {
    std::array<double, 3> sums{};
    for (std::size_t round = 0; round < sums.size(); ++round) {
      const std::size_t side = (first + round) % sums.size();  // each is the first one in turn
      sums[side] = measured([&] { side == 0 ? run_library(all) : run_by_hand(side == 1 ? same : plainest, all); }).wall;
    }
    ++first;
    for (std::size_t side = 0; side < sums.size(); ++side) {
      rates[side].push_back(count / sums[side]);
      ratios[side].push_back(sums[side] / sums[0]);
    }
    state.SetIterationTime(sums[0]);
  }
  if (processed != 3 * count * rates[0].size()) {
    state.SkipWithError("not every event was processed once");
  }
  state.counters["event_relay/s"] = median(rates[0]);
  state.counters["by_hand/s"] = median(rates[1]);
  state.counters["plainest/s"] = median(rates[2]);
  state.counters["ratio"] = median(ratios[1]);
  state.counters["ratio_plainest"] = median(ratios[2]);
}

void idle_commit_to_handler(benchmark::State& state) {
  std::atomic<steady::rep> began{0};
  with_event_relay library{"bench_relay_", 100, timing_handler{&began}};
  by_hand cycle{"bench_same_", by_hand::table::same};
  event_relay_benchmark::idle_commit_to_handler(state, library, cycle, began);
}

// An exchange that claims 100 events and one that settles them, beside what ended behind the back of a transaction that
// is open for long, so that no VACUUM can take it away; and in an empty outbox.
void exchanges_beside_dead_rows(benchmark::State& state) {
  store<> beside = fresh_store("bench_dead_");
  store<> empty = fresh_store("bench_empty_");
  plain_connection host;
  plain_connection open_for_long;
  open_for_long.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
  open_for_long.run("SELECT 1");
  host.run(
      "INSERT INTO bench_dead_events (id, name, payload, occurred_at, correlation_id, replayed, available_at) SELECT "
      "'dead-' || n, 'booking.created', '{}', 0, 'c', false, 1000000 + n FROM generate_series(1, " +
      std::to_string(state.range(0)) + ") n");
  host.run("UPDATE bench_dead_events SET state = 1, leased_until = available_at + 30000");
  host.run("DELETE FROM bench_dead_events");

  int appended = 0;
  const auto exchanges = [&](store<>& on) {
    std::vector<event_relay::event_record> records;
    for (int each = 0; each < 100; ++each) {
      records.push_back({.id = std::to_string(++appended),
                         .name = "booking.created",
                         .payload = "{}",
                         .occurred_at = {},
                         .correlation_id = "c"});
    }
    host.run("BEGIN");
    on.append(host.get(), records);
    host.run("COMMIT");
    return measured([&] {
             const auto claimed = on.exchange({}, {100, 30s}).claimed;
             std::vector<event_relay::settlement<event_relay::postgres::connection>> ends;
             for (const auto& each : claimed) {
               ends.push_back(
                   {.held = each.held, .name = each.record.name, .attempt = each.attempt, .has_history = false});
             }
             event_relay::settle(on, std::span<const event_relay::settlement<event_relay::postgres::connection>>{ends});
             if (claimed.size() != 100) {
               state.SkipWithError("not every event was claimed");
             }
           })
        .wall;
  };
  std::vector<double> beside_dead;
  std::vector<double> in_empty;
  for (auto _ : state) {
    beside_dead.push_back(exchanges(beside));
    in_empty.push_back(exchanges(empty));
    state.SetIterationTime(beside_dead.back());
  }
  state.counters["beside_us"] = 1e6 * median(beside_dead);
  state.counters["empty_us"] = 1e6 * median(in_empty);
  state.counters["ratio"] = median(beside_dead) / median(in_empty);
  state.counters["slowest_us"] = 1e6 * *std::max_element(beside_dead.begin(), beside_dead.end());
}

BENCHMARK(append_to_processed)->ArgName("batch")->Arg(100)->Arg(1000)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(exchanges_beside_dead_rows)
    ->ArgName("events")
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Iterations(100)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(idle_commit_to_handler)->Iterations(200)->UseManualTime()->Unit(benchmark::kMicrosecond);

}  // namespace
BENCHMARK_MAIN();
