// SPDX-License-Identifier: MIT
// Hints are counted, none that comes between a scan and the wait is missed, and every waiter hears each.
// A hint that is lost shows as a test that does not end.
#include "event_relay/outbox/wake_signal.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

namespace {

using event_relay::wake_signal;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

static_assert(!std::is_copy_constructible_v<wake_signal>);

// Whether a wait of that length ends while nobody wakes and nobody stops it.
bool is_over_before_the_hint(milliseconds at_most) {
  wake_signal signal;
  std::atomic<bool> begun = false;
  std::atomic<bool> over = false;
  const std::jthread waiting{[&] {
    begun = true;
    signal.wait(0, at_most, {});
    over = true;
  }};
  for (int round = 0; round < 10'000 && !over; round += begun ? 1 : 0) {
    std::this_thread::yield();
  }
  const bool is_early = over;
  signal.wake();
  return is_early;
}

}  // namespace

TEST_CASE("wake_signal: count, one more for each hint") {
  wake_signal signal;
  CHECK(signal.count() == 0);
  signal.wake();
  signal.wake();
  CHECK(signal.count() == 2);
}

TEST_CASE("wake_signal: hints of many threads, all counted") {
  wake_signal signal;
  {
    std::vector<std::jthread> threads;
    for (int at = 0; at < 4; ++at) {
      threads.emplace_back([&] {
        for (int round = 0; round < 1'000; ++round) {
          signal.wake();
        }
      });
    }
  }
  CHECK(signal.count() == 4'000);
}

TEST_CASE("wake_signal: a hint between the scan and the wait, no wait") {
  wake_signal signal;
  const std::uint64_t seen = signal.count();
  signal.wake();
  signal.wait(seen, 24h, {});
  signal.wait(seen + 7, 24h, {});  // of another signal, perhaps: better too early than too late
  CHECK(signal.count() == 1);
}

TEST_CASE("wake_signal: no time or a stop, no wait") {
  wake_signal signal;
  for (const milliseconds at_most : {0ms, -1ms}) {
    signal.wait(0, at_most, {});
  }
  std::stop_source stopped;
  stopped.request_stop();
  for (const milliseconds at_most : {0ms, milliseconds{24h}, milliseconds::max()}) {
    signal.wait(0, at_most, stopped.get_token());
  }
  CHECK(signal.count() == 0);
}

TEST_CASE("wake_signal: one hint, wakes all who wait") {
  wake_signal signal;
  std::latch about_to_wait{4};
  std::atomic<int> woken = 0;
  std::vector<std::jthread> threads;
  for (int at = 0; at < 4; ++at) {
    threads.emplace_back([&] {
      about_to_wait.count_down();
      signal.wait(0, 24h, {});
      woken += signal.count() == 1 ? 1 : 0;
    });
  }
  about_to_wait.wait();
  std::this_thread::yield();
  signal.wake();
  threads.clear();
  CHECK(woken == 4);
}

TEST_CASE("wake_signal: a stop while waiting, ends the wait of those whose stop it is") {
  wake_signal signal;
  std::stop_source stop;
  std::latch about_to_wait{2};
  std::atomic<bool> other_is_over = false;
  std::jthread other{[&] {
    about_to_wait.count_down();
    signal.wait(0, 24h, {});
    other_is_over = true;
  }};
  {
    const std::jthread stopped{[&] {
      about_to_wait.count_down();
      signal.wait(0, 24h, stop.get_token());
    }};
    about_to_wait.wait();
    stop.request_stop();
  }
  CHECK_FALSE(other_is_over);
  signal.wake();
  other.join();
  CHECK(other_is_over);
}

TEST_CASE("wake_signal: a wait of a day, goes on until the hint") { CHECK_FALSE(is_over_before_the_hint(24h)); }

TEST_CASE("wake_signal: a wait longer than the steady clock counts, goes on until the hint") {
  CHECK_FALSE(is_over_before_the_hint(24h * 365 * 300));
  CHECK_FALSE(is_over_before_the_hint(milliseconds::max()));
}
