// SPDX-License-Identifier: MIT
// Events of many ordering keys, a worker that writes down each attempt, and a judge who tells from that log and the
// database whether the events of each key kept their order, one at a time. order.sh runs it, and kills it.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "crash/order_judge.hpp"
#include "crash/run_log.hpp"
#include "event_relay/json/json_codec.hpp"
#include "event_relay/sqlite/sqlite.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;

constexpr attempt_number max_attempts = 3;
constexpr auto lease_length = 300ms;
const sqlite::store_options store_options{.durability = sqlite::synchronous::normal};  // power is not cut here

struct order_handler {
  const run_log& log;
  fail_at_rate fails{0.2, 1};

  outcome operator()(const worker_envelope<event_numbered>& envelope) const {
    const numbered& event = envelope.event.payload;
    const auto write =
        [&, attempt = fmt::format("{} {} {}", event.number, event.key, envelope.retry.attempt)](std::string_view what) {
          log.write(what, system_clock{}.now(), envelope.outbox->token, attempt);
        };
    write(log_words::started);
    std::this_thread::yield();  // whoever may come in between shall
    const bool has_failed = fails({event_numbered::name, envelope.event.id, envelope.retry.attempt});
    write(has_failed ? log_words::failed : log_words::succeeded);
    return has_failed ? outcome{retry{"one of five"}} : processed{};
  }
};

// Event i has key i mod `keys`. The events of a key are appended one by one and several at once, in turns.
void append(std::uint64_t from, std::uint64_t to, std::uint64_t keys, const std::string& path) {
  sqlite::store store{path, store_options};
  outbox box{events_numbered{}, store, json_codec{}};
  sqlite::connection host{path, 30s};
  host.execute("PRAGMA synchronous = NORMAL");
  constexpr std::uint64_t at_once = 1000;
  for (bool one_by_one = true; from < to; from += at_once, one_by_one = !one_by_one) {
    std::map<std::uint64_t, std::vector<event_numbered>> by_key;
    for (std::uint64_t number = from; number < std::min(to, from + at_once); ++number) {
      by_key[number % keys].push_back({.id = fmt::format("event-{}", number),
                                       .occurred_at = system_clock{}.now(),
                                       .correlation = correlation_id::generate(),
                                       .replayed = false,
                                       .payload = {number, number % keys}});
    }
    sqlite::immediate_transaction change{host};
    for (const auto& [key, events] : by_key) {
      const append_options options{.ordering_key = fmt::format("key-{}", key)};
      if (!one_by_one) {
        box.append(host.handle(), events, options);
        continue;
      }
      for (const event_numbered& each : events) {
        box.append(host.handle(), each, options);
      }
    }
    change.commit();
  }
}

void work(const std::string& path, const std::string& log_path) {
  const run_log log{log_path};
  logged_store<sqlite::store<>> store{log, path, store_options};
  outbox box{events_numbered{}, store, json_codec{}};
  worker worker{box, order_handler{log},
                worker_options()
                    .with_threads(4)
                    .with_lease(lease_length)
                    .with_max_attempts(max_attempts)
                    .with_backoff(listed_backoff{0ms, 1ms})
                    .with_poll_interval(20ms)};  // another process appends
  worker.run_until_done();
}

std::string judged(const std::string& log, const std::string& path, std::uint64_t count, std::uint64_t keys) {
  sqlite::store store{path};
  std::vector<appended_event> events(count);
  for (std::uint64_t each = 0; each < count; ++each) {
    events[each] = {.key = each % keys, .transaction = each, .begun = each * 2, .committed = each * 2 + 1};
  }
  order_judge judge{std::move(events), max_attempts};
  judge.read_dead_letters(store);
  judge.read_log(log);
  judge.judge_what_is_left(store);
  return fmt::format("{} events of {} keys: {}", count, keys, judge.numbers());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto is = [&](std::string_view verb, std::size_t count) {
    return arguments.size() == count + 1 && arguments[0] == verb;
  };
  const auto number = [&](std::size_t at) { return std::stoull(arguments[at]); };
  try {
    if (is("append", 4)) {
      append(number(1), number(2), number(3), arguments[4]);
    } else if (is("work", 2)) {
      work(arguments[1], arguments[2]);
    } else if (is("judge", 4)) {
      fmt::print("{}\n", judged(arguments[1], arguments[2], number(3), number(4)));
    } else {
      fmt::print(stderr, "order_run append FROM TO KEYS DB | work DB LOG | judge LOG DB COUNT KEYS\n");
      return 2;
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
