// SPDX-License-Identifier: MIT
// Events with and without ordering keys in PostgreSQL: processes that append them, workers that write down each
// attempt, and a judge who tells from that log and the database what became of them. postgres.sh runs it, and disturbs
// it. The server is that of tests/postgres/with_server.sh.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "crash/order_judge.hpp"
#include "crash/run_log.hpp"
#include "event_relay/json/json_codec.hpp"
#include "event_relay/postgres/postgres.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;

constexpr attempt_number max_attempts = 3;
constexpr auto lease_length = 2s;
constexpr auto longest_pause = 15s;  // 5 s is the aim, and said; the machine may stall for some

std::string server() {
  const char* const given = std::getenv("EVENT_RELAY_TEST_POSTGRES");
  if (given == nullptr) {
    throw std::runtime_error("EVENT_RELAY_TEST_POSTGRES names no server; run by tests/postgres/with_server.sh");
  }
  return given;
}

// A quarter of the events has one of few keys, a half one of many; the others have none, which the judge knows as a
// key for each.
constexpr std::uint64_t few_keys = 10;
constexpr std::uint64_t many_keys = 2000;
constexpr std::uint64_t key_of(std::uint64_t number) {
  switch (number % 4) {
    case 0: return few_keys + many_keys + number;
    case 1: return mix_bits(number) % few_keys;
    default: return few_keys + mix_bits(number) % many_keys;
  }
}
constexpr bool has_key(std::uint64_t number) { return number % 4 != 0; }

constexpr bool leaves_effect(std::uint64_t number) { return number % 3 == 0; }

// ---- Appends ----

enum class holding { briefly, long_and_late };

/// One of those who append, on a connection of its own.
class appender {
 public:
  appender(const run_log& log, std::uint64_t seed, holding how) : log_{log}, random_{seed}, how_{how} {}

  /// Appends the numbers from `from` on, or decides not to, in one transaction.
  void append(std::uint64_t from, std::uint64_t to) {
    log_.write(log_words::begun, system_clock{}.now(), from, std::to_string(to));
    if (is_one_of(10)) {
      try_until_done([&] { in_transaction(from, to, false); });
      return;
    }
    try_until_done([&] { in_transaction(from, to, true); });
    log_.write(log_words::committed, system_clock{}.now(), from, std::to_string(to));
  }

  std::uint64_t next(std::uint64_t most) { return uniform(random_, most - 1) + 1; }

 private:
  bool is_one_of(std::uint64_t count) { return uniform(random_, count - 1) == 0; }

  // The server is away now and then.
  template <class Body>
  void try_until_done(Body body) {
    for (;;) {
      try {
        if (!store_) {
          store_.emplace(server(), postgres::store_options{.hints = how_hints()});
          box_.emplace(events_numbered{}, *store_, json_codec{});
        }
        if (!host_) {
          host_.emplace(postgres::conninfo{server() + " application_name=host"});
        }
        body();
        return;
      } catch (const store_error& failed) {
        if (!is_retryable(failed.code())) {
          throw;
        }
        host_.reset();
        std::this_thread::sleep_for(50ms);
      }
    }
  }

  postgres::wake_ups how_hints() const {
    return how_ == holding::briefly ? postgres::wake_ups::notify : postgres::wake_ups::polling;
  }

  // The table of what was appended tells a second try whether the first was committed: it waits for it if it must.
  void in_transaction(std::uint64_t from, std::uint64_t to, bool is_to_commit) {
    postgres::transaction all{*host_};
    host_->execute("INSERT INTO appended (first) VALUES ($1) ON CONFLICT DO NOTHING", static_cast<std::int64_t>(from));
    if (host_->changes() == 0) {
      return;
    }
    std::map<std::uint64_t, std::vector<event_numbered>> by_key;
    for (std::uint64_t number = from; number < to; ++number) {
      by_key[key_of(number)].push_back({.id = fmt::format("event-{}", number),
                                        .occurred_at = system_clock{}.now(),
                                        .correlation = correlation_id::generate(),
                                        .replayed = false,
                                        .payload = {number, key_of(number)}});
    }
    for (const auto& [key, events] : by_key) {
      const bool is_keyed = has_key(events.front().payload.number);
      box_->append(host_->handle(), events, {.ordering_key = is_keyed ? fmt::format("key-{}", key) : ""});
      hold();
    }
    if (is_to_commit) {
      all.commit();
    }
  }

  void hold() {
    if (how_ == holding::long_and_late && is_one_of(3)) {
      std::this_thread::sleep_for(std::chrono::milliseconds{uniform(random_, 30)});
    }
  }

  const run_log& log_;
  std::mt19937_64 random_;
  holding how_;
  std::optional<postgres::store<>> store_;
  std::optional<outbox<events_numbered, postgres::store<>, json_codec>> box_;
  std::optional<postgres::connection> host_;
};

// Not so far ahead of the workers that they have all of it at once.
void wait_for_workers(postgres::store<>& store, std::uint64_t most) {
  for (;;) {
    try {
      if (store.metrics().depth() <= most) {
        return;
      }
    } catch (const store_error& failed) {
      if (!is_retryable(failed.code())) {
        throw;
      }
    }
    std::this_thread::sleep_for(50ms);
  }
}

void append(std::uint64_t from, std::uint64_t to, const std::string& log_path, std::uint64_t seed, std::size_t threads,
            holding how, std::uint64_t batch) {
  const run_log log{log_path};
  postgres::store<> store{server(), {.hints = postgres::wake_ups::polling}};
  std::atomic<std::uint64_t> next{from};
  std::vector<std::jthread> all;
  std::atomic<bool> has_failed{false};
  for (std::size_t thread = 0; thread < threads; ++thread) {
    all.emplace_back([&, thread] {
      try {
        appender mine{log, mix_bits(seed + thread), how};
        for (int count = 0;; ++count) {
          const std::uint64_t size = mine.next(batch);
          const std::uint64_t begin = next.fetch_add(size);
          if (begin >= to || has_failed) {
            return;
          }
          mine.append(begin, std::min(to, begin + size));
          if (count % 20 == 0) {
            wait_for_workers(store, 5000);
          }
        }
      } catch (const std::exception& error) {
        fmt::print(stderr, "append: {}\n", error.what());
        has_failed = true;
      }
    });
  }
  all.clear();
  if (has_failed) {
    throw std::runtime_error("an append failed");
  }
}

// ---- Work ----

struct order_handler {
  const run_log& log;
  fail_at_rate fails{0.2, 1};

  durable_outcome<postgres::connection> operator()(const worker_envelope<event_numbered>& envelope) const {
    const numbered& event = envelope.event.payload;
    const std::uint64_t token = envelope.outbox->token;
    const auto write = [&, attempt = fmt::format("{} {} {}", event.number, event.key, envelope.retry.attempt)](
                           std::string_view what) { log.write(what, system_clock{}.now(), token, attempt); };
    write(log_words::started);
    std::this_thread::yield();  // whoever may come in between shall
    if (mix_bits(token ^ event.number) % 100 == 0) {
      std::this_thread::sleep_for(5ms);
    }
    const bool has_failed = fails({event_numbered::name, envelope.event.id, envelope.retry.attempt});
    write(has_failed ? log_words::failed : log_words::succeeded);
    if (!leaves_effect(event.number)) {
      return has_failed ? outcome{retry{"one of five"}} : processed{};
    }
    return settled_with{[number = event.number, token, has_failed](postgres::connection& db) {
      db.execute("INSERT INTO effects (event, token) VALUES ($1, $2)", static_cast<std::int64_t>(number),
                 static_cast<std::int64_t>(token));
      if (has_failed) {
        throw std::runtime_error("one of five");
      }
    }};
  }
};

// Until all is done that was appended before the file "LOG.all" was there.
void work(const std::string& log_path) {
  const run_log log{log_path};
  logged_store<postgres::store<>> store{log, server()};
  outbox box{events_numbered{}, store, json_codec{}};
  worker worker{box, order_handler{log},
                worker_options()
                    .with_threads(4)
                    .with_batch(50)
                    .with_lease(lease_length)
                    .with_max_attempts(max_attempts)
                    .with_backoff(listed_backoff{0ms, 20ms})
                    .with_poll_interval(50ms)};
  for (bool is_last = false; !is_last;) {
    is_last = ::access((log_path + ".all").c_str(), F_OK) == 0;
    const std::uint64_t seen = store.signal().count();
    const worker_report report = worker.run_until_done();
    if (report.processed + report.retried + report.dead_lettered == 0 && !is_last) {
      store.signal().wait(seen, 20ms, {});
    }
  }
}

// ---- Disturbances ----

void prepare() {
  const postgres::store<> store{server(), {.hints = postgres::wake_ups::polling}};
  postgres::connection host{postgres::conninfo{server()}};
  host.run(
      "CREATE TABLE IF NOT EXISTS appended (first bigint PRIMARY KEY); CREATE TABLE IF NOT EXISTS effects "
      "(event bigint, token bigint); TRUNCATE appended, effects, event_relay_events, event_relay_failures, "
      "event_relay_outcomes");
}

// One of the backends of the library's connections, whose work is then broken off.
void terminate(const std::string& log_path) {
  const run_log log{log_path};
  postgres::connection host{postgres::conninfo{server() + " application_name=judge"}};
  host.execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'event_relay' ORDER BY random() "
      "LIMIT 1");
  log.write(log_words::disturbed, system_clock{}.now(), 0);
}

// ---- Judgement ----

std::vector<appended_event> read_appends(const std::string& path, std::uint64_t count) {
  std::vector<appended_event> events(count);
  for (std::uint64_t number = 0; number < count; ++number) {
    events[number] = {.key = key_of(number), .was_committed = false};
  }
  postgres::connection host{postgres::conninfo{server()}};
  std::map<std::uint64_t, bool> committed;  // by the first number
  host.query("SELECT first FROM appended",
             [&](const postgres::row& at) { committed[static_cast<std::uint64_t>(at.integer(0))] = true; });
  std::ifstream log{path};
  std::string line;
  for (std::uint64_t at = 1; std::getline(log, line); ++at) {
    const bool is_commit = line.starts_with(log_words::committed);
    if (!is_commit && !line.starts_with(log_words::begun)) {
      continue;
    }
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    if (std::sscanf(line.c_str(), "%*s %*d %*d %lu %lu", &from, &to) != 2 || to > count) {
      throw verdict{"log: line {} is none of this run's", at};
    }
    for (std::uint64_t number = from; number < to; ++number) {
      appended_event& each = events[number];
      each.was_committed = committed.contains(from);
      (is_commit ? each.committed : each.begun) = at;
      if (!is_commit) {
        each.transaction = from;
        each.committed = UINT64_MAX;
      }
    }
    if (is_commit && !committed.contains(from)) {
      throw verdict{"uncommitted: line {} says that {} was committed", at, from};
    }
  }
  return events;
}

std::string judged(const std::string& log, std::uint64_t count) {
  postgres::store<> store{server(), {.hints = postgres::wake_ups::polling}};
  std::vector<appended_event> events = read_appends(log, count);
  const auto committed =
      std::count_if(events.begin(), events.end(), [](const appended_event& each) { return each.was_committed; });
  order_judge judge{std::move(events), max_attempts};
  judge.read_dead_letters(store);
  judge.read_log(log);
  judge.judge_what_is_left(store);
  std::multimap<std::uint64_t, std::uint64_t> effects;
  postgres::connection host{postgres::conninfo{server()}};
  host.query("SELECT event, token FROM effects", [&](const postgres::row& at) {
    effects.emplace(static_cast<std::uint64_t>(at.integer(0)), static_cast<std::uint64_t>(at.integer(1)));
  });
  judge.judge_effects(effects, leaves_effect);
  judge.judge_pauses(longest_pause);
  return fmt::format("{} events of {}: {}, {} effects", committed, count, judge.numbers(), effects.size());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto is = [&](std::string_view verb, std::size_t count) {
    return arguments.size() == count + 1 && arguments[0] == verb;
  };
  const auto number = [&](std::size_t at) { return std::stoull(arguments[at]); };
  try {
    if (is("prepare", 0)) {
      prepare();
    } else if (is("append", 4)) {
      append(number(1), number(2), arguments[3], number(4), 1, holding::briefly, 200);
    } else if (is("append-late", 4)) {
      append(number(1), number(2), arguments[3], number(4), 8, holding::long_and_late, 12);
    } else if (is("work", 1)) {
      work(arguments[1]);
    } else if (is("terminate", 1)) {
      terminate(arguments[1]);
    } else if (is("disturbed", 1)) {
      run_log{arguments[1]}.write(log_words::disturbed, system_clock{}.now(), 0);
    } else if (is("judge", 2)) {
      fmt::print("{}\n", judged(arguments[1], number(2)));
    } else {
      fmt::print(stderr,
                 "postgres_run prepare | append FROM TO LOG SEED | append-late FROM TO LOG SEED | work LOG | "
                 "terminate LOG | disturbed LOG | judge LOG COUNT\n");
      return 2;
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", arguments.empty() ? "" : arguments[0], error.what());
    return 1;
  }
}
