// SPDX-License-Identifier: MIT
#include "event_relay/testing/testing.hpp"

#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "event_relay/core/clock.hpp"
#include "event_relay/core/handler.hpp"
#include "event_relay/core/pacing.hpp"
#include "event_relay/core/relay.hpp"
#include "event_relay/core/uuid.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

static_assert(event_relay::clock<testing::manual_clock> && event_relay::clock<const testing::manual_clock>);
static_assert(waiter<testing::recording_waiter>);
static_assert(id_source<testing::sequential_ids>);
static_assert(breadcrumb_sink<testing::collecting_sink>);
static_assert(handler_of<testing::scripted_handler, booking_created>);
static_assert(handler_of<testing::scripted_handler, payment_captured>);

template <class Work>
void on_four_threads(Work work) {
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back(work);
  }
}

outcome run(testing::scripted_handler& handler, const std::string& event_id = "evt-1", attempt_number attempt = 1) {
  const booking_created event = sample_event(event_id);
  return handler(worker_envelope<booking_created>{event, {"test-v1", attempt, 3, 5ms, sample_instant}, {}});
}

}  // namespace

TEST_CASE("testing: manual_clock, still until told and the same through all copies") {
  testing::manual_clock clock;
  CHECK((clock.now() == instant{}));
  clock.set(sample_instant);
  const testing::manual_clock copy = clock;
  CHECK((copy.now() == sample_instant));
  clock.advance(1'500ms);
  CHECK((copy.now() == sample_instant + 1'500ms));
  clock.advance(-2s);
  CHECK((copy.now() == sample_instant - 500ms));
  clock.advance(milliseconds::max());
  CHECK((copy.now() == max_instant));
  CHECK((testing::manual_clock{sample_instant}.now() == sample_instant));
}

TEST_CASE("testing: manual_clock moved on by several threads, no step lost") {
  testing::manual_clock clock;
  on_four_threads([clock]() mutable {
    for (int step = 0; step < 200'000; ++step) {
      clock.advance(1ms);
    }
  });
  CHECK((clock.now() == instant{800'000ms}));
}

TEST_CASE("testing: recording_waiter, waits written down and the clock moved on by as much") {
  testing::manual_clock clock{sample_instant};
  testing::recording_waiter waiter{clock};
  testing::recording_waiter copy = waiter;
  CHECK(waiter.waits().empty());
  CHECK(waiter.wait_for(250ms, {}));
  CHECK(copy.wait_for(24h, {}));
  CHECK(copy.wait_for(0ms, {}));
  CHECK((clock.now() == sample_instant + 24h + 250ms));
  CHECK(waiter.waits() == std::vector<milliseconds>{250ms, 24h, 0ms});
}

TEST_CASE("testing: recording_waiter after a stop, neither written down nor moved on") {
  testing::manual_clock clock{sample_instant};
  testing::recording_waiter waiter{clock};
  std::stop_source source;
  CHECK(waiter.wait_for(1ms, source.get_token()));
  source.request_stop();
  CHECK_FALSE(waiter.wait_for(1h, source.get_token()));
  CHECK((clock.now() == sample_instant + 1ms));
  CHECK(waiter.waits() == std::vector<milliseconds>{1ms});
}

TEST_CASE("testing: recording_waiter on several threads, no wait lost and the clock at their sum") {
  testing::manual_clock clock;
  testing::recording_waiter waiter{clock};
  on_four_threads([waiter]() mutable {
    for (int each = 0; each < 20'000; ++each) {
      waiter.wait_for(1ms, {});
    }
  });
  CHECK(waiter.waits().size() == 80'000);
  CHECK((clock.now() == instant{80'000ms}));
}

TEST_CASE("testing: sequential_ids, numbered from 1 under their prefix through all copies") {
  testing::sequential_ids ids{"evt"};
  testing::sequential_ids copy = ids;
  CHECK(ids.next_id() == "evt-1");
  CHECK(copy.next_id() == "evt-2");
  CHECK(ids.next_id() == "evt-3");
  CHECK(testing::sequential_ids{}.next_id() == "id-1");
}

TEST_CASE("testing: sequential_ids on several threads, each id once") {
  testing::sequential_ids ids;
  collecting_notifier kept;
  on_four_threads([ids, kept]() mutable {
    for (int each = 0; each < 500; ++each) {
      kept.notify({push(ids.next_id(), ""), "", correlation_id::parse("c").value(), {}});
    }
  });
  std::set<std::string> seen;
  for (const notification& each : kept.take()) {
    seen.insert(each.content.recipient);
  }
  CHECK(seen.size() == 2'000);
  CHECK(seen.count("id-2000") == 1);
}

TEST_CASE("testing: scripted_handler, the steps in order and then processed") {
  testing::scripted_handler handler;
  handler.then(retry{"busy", 2s}).then_throw(std::runtime_error{"broken"}).then_throw(7).then(reject{"never"});
  handler.then(processed{push("ada", "text")});

  CHECK(std::get<retry>(run(handler)).reason == "busy");
  CHECK_THROWS_WITH(run(handler, "evt-1", 2), "broken");
  CHECK_THROWS_AS(run(handler, "evt-2"), int);
  CHECK(std::get<reject>(run(handler)).reason == "never");
  CHECK(std::get<processed>(run(handler)).notifications().size() == 1);
  CHECK(std::get<processed>(run(handler)).notifications().empty());
  CHECK(std::get<processed>(run(handler)).notifications().empty());
}

TEST_CASE("testing: scripted_handler, each run remembered, also one that throws") {
  testing::scripted_handler handler;
  testing::scripted_handler copy = handler;
  handler.then_throw(7);
  CHECK_THROWS_AS(run(copy, "evt-1", 2), int);
  const payment_captured payment = sample_event<payment_captured>("evt-2");
  copy(worker_envelope<payment_captured>{payment, {"test-v1", 1, 3, {}, {}}, {}});

  const auto attempts = handler.attempts();
  REQUIRE(attempts.size() == 2);
  CHECK(attempts[0].event_name == "booking.created");
  CHECK(attempts[0].event_id == "evt-1");
  CHECK((attempts[0].retry == retry_metadata{"test-v1", 2, 3, 5ms, sample_instant}));
  CHECK(attempts[1].event_name == "payment.captured");
  CHECK(attempts[1].event_id == "evt-2");
}

TEST_CASE("testing: scripted_handler on several threads, each step done once") {
  testing::scripted_handler handler;
  for (int step = 0; step < 100; ++step) {
    handler.then(reject{"never"});
  }
  std::atomic<int> rejected = 0;
  on_four_threads([handler, &rejected]() mutable {
    for (int each = 0; each < 50; ++each) {
      rejected += std::holds_alternative<reject>(run(handler)) ? 1 : 0;
    }
  });
  CHECK(rejected == 100);
  CHECK(handler.attempts().size() == 200);
}

TEST_CASE("testing: collecting_sink, breadcrumbs that outlive what they speak of") {
  testing::collecting_sink sink;
  testing::collecting_sink copy = sink;
  {
    const std::string source(40, 's');
    const std::string error(40, 'e');
    const retry_metadata planned{"test-v1", 2, 3, 5ms, sample_instant};
    const dead_letter_marker marker{"q.dlq", dead_letter_reason::rejected, sample_instant};
    breadcrumb logged;
    logged.source = source;
    logged.step = "some.step";
    logged.correlation_id = "corr-1";
    logged.status = breadcrumb_status::failed;
    logged.retry = &planned;
    logged.dead_letter = &marker;
    logged.error = error;
    copy.record(logged);
    copy.record(breadcrumb{});
  }
  const auto breadcrumbs = sink.take();
  REQUIRE(breadcrumbs.size() == 2);
  CHECK(breadcrumbs[0].source == std::string(40, 's'));
  CHECK(breadcrumbs[0].step == "some.step");
  CHECK(breadcrumbs[0].correlation_id == "corr-1");
  CHECK(breadcrumbs[0].status == breadcrumb_status::failed);
  REQUIRE(breadcrumbs[0].retry.has_value());
  CHECK(breadcrumbs[0].retry->attempt == 2);
  REQUIRE(breadcrumbs[0].dead_letter.has_value());
  CHECK(breadcrumbs[0].dead_letter->queue_name == "q.dlq");
  CHECK(breadcrumbs[0].error == std::string(40, 'e'));
  CHECK(breadcrumbs[0].json.find(R"({"source":"ssss)") == 0);
  CHECK_FALSE(breadcrumbs[1].retry.has_value());
  CHECK_FALSE(breadcrumbs[1].dead_letter.has_value());
  CHECK(breadcrumbs[1].json == R"({"source":"","event":"","correlationId":"","status":"started","details":{}})");
  CHECK(copy.take().empty());
}

TEST_CASE("testing: the whole set under a relay, a day of retries in no time") {
  testing::manual_clock clock{sample_instant};
  testing::recording_waiter waiter{clock};
  testing::scripted_handler handler;
  handler.then(retry{"busy"}).then(retry{"busy", 24h});
  testing::collecting_sink sink;
  relay day{sample_events{}, handler,
            relay_options().with_sink(sink).with_clock(clock).with_pacing(wait_until_due{clock, waiter})};
  CHECK(day.publish(sample_event()).status == attempt_status::processed);
  CHECK(waiter.waits() == std::vector<milliseconds>{1s, 24h});
  CHECK((clock.now() == sample_instant + 24h + 1s));
  CHECK(sink.take().size() == 1 + 3 * 3 + 1);
}
