// SPDX-License-Identifier: MIT
// What an outbox in an SQLite file costs beside a loop written by hand, FULL and in WAL mode: the two take turns
// within one run, so read their ratios. The temporary folder must be on a disk; in memory, commits cost nothing.
#include <malloc.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ratio>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>
#include <sqlite3.h>
#include <event_relay/event_relay.hpp>
#include <event_relay/json/json_codec.hpp>
#include <event_relay/sqlite/sqlite.hpp>

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
using event_relay::sqlite::immediate_transaction;
using event_relay::sqlite::store;

struct close {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using database = std::unique_ptr<sqlite3, close>;

/// As a host opens one: with SQLite's defaults, FULL among them.
database open(const std::string& path) {
  sqlite3* opened = nullptr;
  if (sqlite3_open(path.c_str(), &opened) != SQLITE_OK) {
    throw std::runtime_error{"cannot open " + path};
  }
  sqlite3_busy_timeout(opened, 5000);
  return database{opened};
}

/// The library as a host uses it: the host's connection appends, the store's own carries on.
template <class Handler = brief_handler>
class with_event_relay {
 public:
  with_event_relay(const std::string& path, std::size_t batch, Handler handler = {})
      : store_{path}, host_{open(path)}, worker_{outbox_, std::move(handler), worker_options().with_batch(batch)} {}

  void append(std::span<const booking_created> events) {
    immediate_transaction transaction{host_.get()};
    outbox_.append(host_.get(), events);
    transaction.commit();
  }
  std::uint64_t run_once() { return worker_.run_once().processed; }
  std::uint64_t run_until_done() { return worker_.run_until_done().processed; }
  void run(const std::stop_token& stop) { worker_.run(stop); }
  bool has_unfinished() { return store_.has_unfinished(); }

 private:
  store<> store_;
  database host_;
  event_relay::outbox<outbox_events, store<>, json_codec> outbox_{outbox_events{}, store_, json_codec{}};
  worker<decltype(outbox_), Handler> worker_;
};

/// The same by hand: SQLite's C API on one connection, statements prepared once, three transactions a batch,
/// over the library's tables and indexes. The claim keeps what a handler would need. Without a codec the payload
/// is a text from the start, which nobody reads.
class by_hand {
 public:
  enum class codec { none, json };

  by_hand(const std::string& path, codec coded) : coded_{coded}, database_{open_made(path)} {}

  void append(std::span<const booking_created> events) {
    run("BEGIN IMMEDIATE");
    const std::int64_t available_at = now();
    for (const booking_created& event : events) {
      const std::string payload = coded_ == codec::json ? json_.encode(event.payload) : std::string{};
      sqlite3_stmt* const at = insert_.get();
      bind(at, 1, event.id);
      bind(at, 2, booking_created::name);
      bind(at, 3, coded_ == codec::json ? payload : text_);
      sqlite3_bind_int64(at, 4, event.occurred_at.time_since_epoch().count());
      bind(at, 5, event.correlation.view());
      sqlite3_bind_int(at, 6, 0);
      sqlite3_bind_int64(at, 7, available_at);
      step_to_end(at);
    }
    run("COMMIT");
  }

  void claim(std::size_t limit) {
    claimed_.clear();
    run("BEGIN IMMEDIATE");
    sqlite3_stmt* const at = claim_.get();
    sqlite3_bind_int64(at, 1, ++token_);
    sqlite3_bind_int64(at, 2, now() + 30'000);
    sqlite3_bind_int64(at, 3, now());
    sqlite3_bind_int64(at, 4, static_cast<sqlite3_int64>(limit));
    step_to_end(at, [&] {
      claimed_.push_back({sqlite3_column_int64(at, 0), text(at, 1), text(at, 2), text(at, 3), text(at, 4),
                          sqlite3_column_int64(at, 5)});
    });
    run("COMMIT");
  }

  std::size_t settle() {
    if (coded_ == codec::json) {
      for (const row& each : claimed_) {
        auto payload = json_.decode<booking_details>(each.payload);
        benchmark::DoNotOptimize(payload);
      }
    }
    run("BEGIN IMMEDIATE");
    sqlite3_stmt* const at = settle_.get();
    for (const row& each : claimed_) {
      sqlite3_bind_int64(at, 1, each.number);
      sqlite3_bind_int64(at, 2, token_);
      step_to_end(at);
    }
    run("COMMIT");
    return claimed_.size();
  }

 private:
  struct row {
    std::int64_t number;
    std::string id;
    std::string name;
    std::string payload;
    std::string correlation_id;
    std::int64_t attempt;
  };
  struct finalize {
    void operator()(sqlite3_stmt* each) const { sqlite3_finalize(each); }
  };
  using prepared = std::unique_ptr<sqlite3_stmt, finalize>;

  static database open_made(const std::string& path) {
    const store<> maker{path};
    return open(path);
  }

  prepared prepare(const char* sql) {
    sqlite3_stmt* at = nullptr;
    require(sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &at, nullptr), SQLITE_OK);
    return prepared{at};
  }

  void run(const char* sql) { require(sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr), SQLITE_OK); }

  void require(int code, int expected) const {
    if (code != expected) {
      throw std::runtime_error{sqlite3_errmsg(database_.get())};
    }
  }

  template <class Visit = void (*)()>
  void step_to_end(
      sqlite3_stmt* at, Visit visit = [] {}) {
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(at)) == SQLITE_ROW) {
      visit();
    }
    require(code, SQLITE_DONE);
    sqlite3_reset(at);
  }

  static void bind(sqlite3_stmt* at, int position, std::string_view text) {
    sqlite3_bind_text(at, position, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
  }
  static std::string text(sqlite3_stmt* at, int column) {
    return {reinterpret_cast<const char*>(sqlite3_column_text(at, column)),
            static_cast<std::size_t>(sqlite3_column_bytes(at, column))};
  }
  static std::int64_t now() { return event_relay::system_clock{}.now().time_since_epoch().count(); }

  codec coded_;
  json_codec json_;
  const std::string text_ = json_.encode(make_events(1).front().payload);
  database database_;
  prepared insert_ = prepare(
      "INSERT INTO event_relay_events (id, name, payload, occurred_at, correlation_id, replayed, available_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING");
  prepared claim_ = prepare(
      "UPDATE event_relay_events SET state = 1, attempt = attempt + 1, token = ?1, leased_until = ?2 WHERE row IN "
      "(SELECT row FROM event_relay_events WHERE state = 0 AND available_at <= ?3 ORDER BY available_at, row LIMIT ?4) "
      "RETURNING row, id, name, payload, correlation_id, attempt");
  prepared settle_ = prepare("DELETE FROM event_relay_events WHERE row = ? AND token = ? AND state = 1");
  std::int64_t token_ = 0;
  std::vector<row> claimed_;
};

enum class order { batch_by_batch, backlog };

// Append to processed, a batch a transaction of the host: each batch is carried on before the next one, or all
// are appended and then carried on by a worker of one thread. The sides take turns as often as that allows.
void append_to_processed(benchmark::State& state, order in) {
  constexpr std::size_t count = 5000;
  const auto batch = static_cast<std::size_t>(state.range(0));
  const std::vector<booking_created> events = make_events(count);
  const auto all = cut(events, batch);
  const std::size_t at_once = in == order::backlog ? all.size() : 1;
  const temporary_folder folder;
  with_event_relay library{folder.file("event_relay"), batch};
  by_hand plain{folder.file("by_hand"), by_hand::codec::none};
  by_hand same_codec{folder.file("by_hand_same_codec"), by_hand::codec::json};

  std::uint64_t processed = 0;
  const auto run_library = [&](batches some) {
    for (const auto& each : some) {
      library.append(each);
    }
    processed += in == order::backlog ? library.run_until_done() : library.run_once();
  };
  const auto run_by_hand = [&](by_hand& loop, batches some) {
    for (const auto& each : some) {
      loop.append(each);
    }
    for (const auto& each : some) {
      loop.claim(each.size());
      processed += loop.settle();
    }
  };

  std::vector<double> library_rate;
  std::vector<double> by_hand_rate;
  std::vector<double> ratio;
  std::vector<double> ratio_cpu;
  std::vector<double> ratio_same_codec;
  std::size_t first = 0;
  for (auto _ : state) {
    std::array<cost, 3> sums;
    for (batches left = all; !left.empty(); left = left.subspan(at_once), ++first) {
      const batches some = left.first(at_once);
      for (std::size_t round = 0; round < sums.size(); ++round) {
        const std::size_t side = (first + round) % sums.size();  // each is the first one in turn
        const cost took =
            measured([&] { side == 0 ? run_library(some) : run_by_hand(side == 1 ? plain : same_codec, some); });
        sums[side].wall += took.wall;
        sums[side].cpu += took.cpu;
      }
    }
    library_rate.push_back(count / sums[0].wall);
    by_hand_rate.push_back(count / sums[1].wall);
    ratio.push_back(sums[1].wall / sums[0].wall);
    ratio_cpu.push_back(sums[1].cpu / sums[0].cpu);
    ratio_same_codec.push_back(sums[2].wall / sums[0].wall);
    state.SetIterationTime(sums[0].wall);
  }
  if (processed != 3 * count * ratio.size()) {
    state.SkipWithError("not every event was processed once");
  }
  state.counters["event_relay/s"] = median(library_rate);
  state.counters["by_hand/s"] = median(by_hand_rate);
  state.counters["ratio"] = median(ratio);
  state.counters["ratio_cpu"] = median(ratio_cpu);
  state.counters["ratio_same_codec"] = median(ratio_same_codec);
}

void idle_commit_to_handler(benchmark::State& state) {
  const temporary_folder folder;
  std::atomic<steady::rep> began{0};
  with_event_relay library{folder.file("event_relay"), 100, timing_handler{&began}};
  by_hand loop{folder.file("by_hand"), by_hand::codec::none};
  event_relay_benchmark::idle_commit_to_handler(state, library, loop, began);
}

double allocated_bytes() { return static_cast<double>(mallinfo2().uordblks); }

double resident_bytes() {
  std::ifstream status{"/proc/self/status"};
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") {
      double kibibytes = 0;
      status >> kibibytes;
      return 1024 * kibibytes;
    }
  }
  return 0;
}

// What the process has grown by, resident and allocated, since its first 100,000 events.
void memory_growth(benchmark::State& state) {
  constexpr std::size_t round = 10'000;
  constexpr std::size_t warm_after = 100'000;
  const temporary_folder folder;
  with_event_relay library{folder.file("event_relay"), 1000};
  double resident = 0;
  double allocated = 0;
  for (auto _ : state) {
    for (std::size_t done = 0; done < static_cast<std::size_t>(state.range(0)); done += round) {
      if (done == warm_after) {
        resident = resident_bytes();
        allocated = allocated_bytes();
      }
      const std::vector<booking_created> events = make_events(round);
      for (const auto& each : cut(events, 1000)) {
        library.append(each);
      }
      if (library.run_until_done() != events.size()) {
        state.SkipWithError("not every event was processed once");
      }
    }
  }
  state.counters["resident_bytes_grown"] = resident_bytes() - resident;
  state.counters["allocated_bytes_grown"] = allocated_bytes() - allocated;
}

BENCHMARK_CAPTURE(append_to_processed, batch_by_batch, order::batch_by_batch)
    ->ArgName("batch")
    ->Arg(100)
    ->Arg(1000)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(append_to_processed, backlog, order::backlog)
    ->ArgName("batch")
    ->Arg(100)
    ->Arg(1000)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(idle_commit_to_handler)->Iterations(300)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(memory_growth)->ArgName("events")->Arg(200'000)->Arg(1'000'000)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
BENCHMARK_MAIN();
