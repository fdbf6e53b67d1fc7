// SPDX-License-Identifier: MIT
#include "event_relay/core/pacing.hpp"

#include <atomic>
#include <chrono>
#include <stop_token>
#include <thread>
#include <vector>

#include "event_relay/testing/manual_clock.hpp"
#include "event_relay/testing/recording_waiter.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using namespace std::chrono_literals;
using event_relay_test::sample_instant;
using std::chrono::milliseconds;

retry_metadata due_after(milliseconds backoff) {
  return {"test-v1", 1, 3, backoff, saturating_add(sample_instant, backoff)};
}

// Answers as told, and shows whether it was given the caller's stop token.
struct told_waiter {
  bool answer;
  bool* saw_stop;
  bool wait_for(milliseconds, const std::stop_token& stop) {
    *saw_stop = stop.stop_requested();
    return answer;
  }
};

struct says_nothing {
  void wait(const retry_metadata&, std::stop_token) {}
  void wait_for(milliseconds, std::stop_token) {}
};
struct takes_no_stop {
  bool wait(const retry_metadata&) { return true; }
  bool wait_for(milliseconds) { return true; }
};

static_assert(pacing_policy<at_once>);
static_assert(pacing_policy<const at_once>);
static_assert(pacing_policy<wait_until_due<>>);
static_assert(pacing_policy<wait_until_due<testing::manual_clock, testing::recording_waiter>>);
static_assert(!pacing_policy<says_nothing>);
static_assert(!pacing_policy<takes_no_stop>);
static_assert(!pacing_policy<thread_waiter>);
static_assert(!pacing_policy<int>);

static_assert(waiter<thread_waiter>);
static_assert(waiter<const thread_waiter>);
static_assert(waiter<testing::recording_waiter>);
static_assert(waiter<told_waiter>);
static_assert(!waiter<says_nothing>);
static_assert(!waiter<takes_no_stop>);
static_assert(!waiter<at_once>);
static_assert(!waiter<int>);

}  // namespace

TEST_CASE("pacing: at_once, true unless a stop was requested") {
  std::stop_source source;
  CHECK(at_once{}.wait(due_after(1h), {}));
  CHECK(at_once{}.wait(due_after(1h), source.get_token()));
  source.request_stop();
  CHECK_FALSE(at_once{}.wait(due_after(0ms), source.get_token()));
}

TEST_CASE("pacing: wait_until_due, exactly as long as is left, 0 once due, and the backoff at the most") {
  struct row {
    milliseconds backoff;
    milliseconds clock;  // relative to the attempt's start
    milliseconds expected;
  };
  const row rows[] = {
      {1'500ms, 0ms, 1'500ms}, {1'500ms, 1ms, 1'499ms}, {1'500ms, 1'499ms, 1ms},  {1'500ms, 1'500ms, 0ms},
      {1'500ms, 1'501ms, 0ms}, {1'500ms, 24h, 0ms},     {1'500ms, -1ms, 1'500ms}, {1'500ms, -24h, 1'500ms},
      {0ms, 0ms, 0ms},         {0ms, -1h, 0ms},         {0ms, 1h, 0ms},
  };
  for (const row& each : rows) {
    CAPTURE(each.backoff.count(), each.clock.count());
    testing::manual_clock clock{sample_instant + each.clock};
    testing::recording_waiter waiter{clock};
    wait_until_due pacing{clock, waiter};
    CHECK(pacing.wait(due_after(each.backoff), {}));
    CHECK(waiter.waits() == std::vector{each.expected});
  }
}

TEST_CASE("pacing: wait_until_due, a backoff beyond the end of time, what is left until then") {
  testing::manual_clock clock{sample_instant};
  testing::recording_waiter waiter{clock};
  wait_until_due pacing{clock, waiter};
  CHECK(pacing.wait(due_after(milliseconds::max()), {}));
  CHECK(waiter.waits() == std::vector{max_instant - sample_instant});
  CHECK((clock.now() == max_instant));
}

TEST_CASE("pacing: wait_until_due, the waiter is given the stop token and has the last word") {
  for (const bool stopped : {false, true}) {
    for (const bool answer : {false, true}) {
      std::stop_source source;
      if (stopped) {
        source.request_stop();
      }
      bool saw_stop = !stopped;
      wait_until_due pacing{testing::manual_clock{sample_instant}, told_waiter{answer, &saw_stop}};
      CHECK(pacing.wait(due_after(1s), source.get_token()) == answer);
      CHECK(saw_stop == stopped);
    }
  }
}

TEST_CASE("pacing: wait_until_due by default, over at once when due and when stopped") {
  wait_until_due<> pacing;
  CHECK(pacing.wait({"test-v1", 1, 3, 24h, sample_instant}, {}));
  std::stop_source source;
  source.request_stop();
  CHECK_FALSE(pacing.wait({"test-v1", 1, 3, 24h, max_instant}, source.get_token()));
}

TEST_CASE("pacing: thread_waiter, no wait at all for 0 or less and after a stop") {
  CHECK(thread_waiter{}.wait_for(0ms, {}));
  CHECK(thread_waiter{}.wait_for(milliseconds::min(), {}));
  std::stop_source source;
  CHECK(thread_waiter{}.wait_for(0ms, source.get_token()));
  source.request_stop();
  for (const milliseconds wait : {milliseconds{0}, milliseconds{1h}, milliseconds{24h * 36'500}}) {
    CAPTURE(wait.count());
    CHECK_FALSE(thread_waiter{}.wait_for(wait, source.get_token()));
  }
}

// Waits longer than the steady clock counts, such as a host's own delay of "never" or a saturated backoff.
TEST_CASE("pacing: thread_waiter, a wait of any length goes on until the stop") {
  for (const milliseconds wait :
       {milliseconds{24h}, milliseconds{24h * 365 * 300}, max_instant - sample_instant, milliseconds::max()}) {
    CAPTURE(wait.count());
    std::stop_source source;
    std::atomic<bool> begun = false;
    std::atomic<bool> over = false;
    bool answer = true;
    std::jthread waiting{[&, stop = source.get_token()] {
      begun = true;
      answer = thread_waiter{}.wait_for(wait, stop);
      over = true;
    }};
    for (int round = 0; round < 10'000 && !over; round += begun ? 1 : 0) {
      std::this_thread::yield();
    }
    CHECK_FALSE(over);
    source.request_stop();
    waiting.join();
    CHECK_FALSE(answer);
  }
}
