// SPDX-License-Identifier: MIT
// Limits of families: permits and rates by themselves, and kept to by workers that share them, whatever else waits.
#include "event_relay/outbox/family_limits.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "event_relay/outbox/family_reservation.hpp"
#include "event_relay/outbox/wake_signal.hpp"
#include "event_relay/outbox/worker.hpp"
#include "support/catch.hpp"
#include "support/outbox_events.hpp"
#include "support/refusal.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;

claimed_event claimed(std::string name, std::string id = "evt-1") {
  return {
      .held = {},
      .record = {.id = std::move(id), .name = std::move(name), .payload = {}, .occurred_at = {}, .correlation_id = {}}};
}

// One claim after the other on the same limits, in virtual time.
struct claims_under {
  family_limits limits;
  instant now = sample_instant;
  std::shared_ptr<wake_signal> its_signal = std::make_shared<wake_signal>();
  wake_signal& signal = *its_signal;

  family_reservation reserve(std::size_t limit = 100) { return {limits, claim_kind::ordinary, limit, now, signal}; }
  // What a claim may take; it takes nothing.
  std::vector<claim_limit> claim_limits(std::size_t limit = 100) {
    const family_reservation reserved = reserve(limit);
    return {reserved.claim_limits().begin(), reserved.claim_limits().end()};
  }
  // Takes as many payments as it may; the permits end with the call.
  std::size_t take_all(std::size_t limit = 100) {
    family_reservation reserved = reserve(limit);
    const std::size_t most = reserved.claim_limits().empty() ? limit : reserved.claim_limits().front().most;
    std::vector<claimed_event> all(most, claimed("payment.captured"));
    reserved.take(all);
    return most;
  }
};

family_limits payments_at_most(family_limit most) { return family_limits{}.with<payment_captured>(most); }

// Each worker's, and the test's.
auto limited(auto options, const family_limits& limits) { return std::move(options).with_family_limits(limits); }

// payment.captured "pay-1" to "pay-<count>", at once.
void append_payments(auto& bench, int count) {
  for (int number = 1; number <= count; ++number) {
    bench.append(sample_event<payment_captured>(fmt::format("pay-{}", number)));
  }
}

}  // namespace

TEST_CASE("family_limits: without any, no claim limit, no permit and nothing to wait for") {
  claims_under on{.limits = {}};
  CHECK(on.limits.empty());
  family_reservation reserved = on.reserve();
  CHECK(reserved.claim_limits().empty());
  std::vector<claimed_event> all{claimed("payment.captured")};
  reserved.take(all);
  CHECK(reserved.permit_of(all.front()) == nullptr);
  CHECK_FALSE(reserved.next_due(all).has_value());
}

TEST_CASE("family_limits: a value out of its range is refused by name, and so is a second limit of a type") {
  CHECK(refusal([] { payments_at_most({.running = 0}); }).find("running of payment.captured is 0, must be 1 to ") !=
        std::string::npos);
  CHECK(refusal([] { payments_at_most({.per_second = 0}); }) ==
        "family_limits: per_second of payment.captured is 0, must be 1 to 1000000");
  CHECK(refusal([] { payments_at_most({.per_second = 1'000'001}); }) ==
        "family_limits: per_second of payment.captured is 1000001, must be 1 to 1000000");
  CHECK(refusal([] { payments_at_most({.running = 1}).with<payment_captured>({.per_second = 2}); }) ==
        "family_limits: payment.captured has a limit already");
}

TEST_CASE("family_limits: running, so many batches have permits, and a free one is another's") {
  claims_under on{payments_at_most({.running = 2})};
  std::vector<claimed_event> one{claimed("payment.captured"), claimed("payment.captured")};
  std::vector<claimed_event> other{claimed("payment.captured")};
  std::shared_ptr<family_permit> of_one;
  std::shared_ptr<family_permit> of_other;
  {
    family_reservation first = on.reserve();
    CHECK(first.claim_limits().empty());
    first.take(one);
    of_one = first.permit_of(one.front());
    CHECK(first.permit_of(one.back()) == of_one);
    family_reservation second = on.reserve();
    second.take(other);
    of_other = second.permit_of(other.front());
  }
  CHECK(on.claim_limits() == std::vector<claim_limit>{{"payment.captured", 0}});
  of_one.reset();
  CHECK(on.claim_limits().empty());
  CHECK(of_other != nullptr);
}

TEST_CASE("family_limits: running, who was refused is woken by the end of a batch that had events, once") {
  claims_under on{payments_at_most({.running = 1})};
  std::vector<claimed_event> all{claimed("payment.captured")};
  std::shared_ptr<family_permit> held;
  {
    family_reservation reserved = on.reserve();
    reserved.take(all);
    held = reserved.permit_of(all.front());
  }
  on.claim_limits();
  on.claim_limits();
  CHECK(on.signal.count() == 0);
  held.reset();
  CHECK(on.signal.count() == 1);
  {
    const family_reservation found_nothing = on.reserve();
    on.claim_limits();
  }
  CHECK(on.signal.count() == 1);
}

TEST_CASE("family_limits: running, whoever was refused is woken, of whatever store, and if it is still there") {
  claims_under on{payments_at_most({.running = 1})};
  std::vector<claimed_event> all{claimed("payment.captured")};
  const auto other = std::make_shared<wake_signal>();
  auto gone = std::make_shared<wake_signal>();
  std::shared_ptr<family_permit> held;
  {
    family_reservation reserved = on.reserve();
    reserved.take(all);
    held = reserved.permit_of(all.front());
  }
  for (const auto& refused : {other, gone}) {
    CHECK(family_reservation{on.limits, claim_kind::ordinary, 1, on.now, *refused}.claim_limits().size() == 1);
  }
  gone.reset();
  held.reset();
  CHECK(other->count() == 1);
  CHECK(on.signal.count() == 0);
}

TEST_CASE("family_limits: running, who was refused by a batch that was full of others is woken") {
  claims_under on{payments_at_most({.running = 1})};
  {
    family_reservation filled = on.reserve(2);
    on.claim_limits();
    std::vector<claimed_event> others{claimed("booking.created"), claimed("booking.created")};
    filled.take(others);
    CHECK(on.signal.count() == 0);
  }
  CHECK(on.signal.count() == 1);
}

TEST_CASE("family_limits: running, a claim of nothing takes no permit") {
  claims_under on{payments_at_most({.running = 1})};
  const family_reservation nothing = on.reserve(0);
  CHECK(nothing.claim_limits().empty());
  CHECK(on.claim_limits().empty());
}

TEST_CASE("family_limits: rate, at once a tenth of a second's, then so many a second") {
  claims_under on{payments_at_most({.per_second = 50})};
  CHECK(on.take_all() == 5);
  CHECK(on.take_all() == 0);
  on.now += 19ms;
  CHECK(on.take_all() == 0);
  on.now += 1ms;
  CHECK(on.take_all() == 1);
  std::size_t in_a_second = 0;
  for (int step = 0; step < 1000; ++step) {
    on.now += 1ms;
    in_a_second += on.take_all();
  }
  CHECK(in_a_second == 50);
  on.now += 1h;
  CHECK(on.take_all() == 5);
}

TEST_CASE("family_limits: rate, below ten a second one at once") {
  claims_under on{payments_at_most({.per_second = 3})};
  CHECK(on.take_all() == 1);
  on.now += 333ms;
  CHECK(on.take_all() == 0);
  on.now += 1ms;
  CHECK(on.take_all() == 1);
}

TEST_CASE("family_limits: rate, what a claim leaves is there for the next, and no more than that") {
  claims_under on{payments_at_most({.per_second = 50})};
  for (int time = 0; time < 3; ++time) {
    CHECK(on.claim_limits() == std::vector<claim_limit>{{"payment.captured", 5}});
  }
  {
    family_reservation reserved = on.reserve();
    std::vector<claimed_event> two(2, claimed("payment.captured"));
    reserved.take(two);
    CHECK(on.claim_limits() == std::vector<claim_limit>{{"payment.captured", 3}});
  }
  CHECK(on.claim_limits() == std::vector<claim_limit>{{"payment.captured", 3}});
}

TEST_CASE("family_limits: rate, what is released after a while is no more than may be had at once") {
  claims_under on{payments_at_most({.per_second = 50})};
  {
    const family_reservation reserved = on.reserve();
    CHECK(reserved.claim_limits().front().most == 5);
    on.now += 1s;
    CHECK(on.claim_limits() == std::vector<claim_limit>{{"payment.captured", 5}});
  }
  CHECK(on.claim_limits() == std::vector<claim_limit>{{"payment.captured", 5}});
}

TEST_CASE("family_limits: rate, when the next may be claimed") {
  claims_under on{payments_at_most({.per_second = 4})};
  std::vector<claimed_event> one{claimed("payment.captured")};
  family_reservation reserved = on.reserve();
  CHECK_FALSE(reserved.next_due({}).has_value());
  CHECK((reserved.next_due(one) == on.now + 250ms));
  reserved.take(one);
  on.now += 100ms;
  CHECK((on.reserve().next_due({}) == on.now + 150ms));
  on.now += 150ms;
  CHECK_FALSE(on.reserve().next_due({}).has_value());
}

TEST_CASE("family_limits: rate, a clock that is set back gives nothing at once, and goes on from there") {
  claims_under on{payments_at_most({.per_second = 10})};
  CHECK(on.take_all() == 1);
  on.now -= 1h;
  CHECK(on.take_all() == 0);
  on.now += 99ms;
  CHECK(on.take_all() == 0);
  on.now += 1ms;
  CHECK(on.take_all() == 1);
}

TEST_CASE("family_limits: rate, readings of threads that cross give nothing twice") {
  claims_under on{payments_at_most({.per_second = 10})};
  CHECK(on.take_all() == 1);
  for (int time = 0; time < 20; ++time) {
    on.now -= 90ms;
    CHECK(on.take_all() == 0);
    on.now += 90ms;
    CHECK(on.take_all() == 0);
  }
}

TEST_CASE("family_limits: both, for want of a permit there is no instant to wait for") {
  claims_under on{payments_at_most({.running = 1, .per_second = 1'000})};
  std::vector<claimed_event> one{claimed("payment.captured")};
  family_reservation reserved = on.reserve();
  reserved.take(one);
  const family_reservation refused = on.reserve();
  CHECK(refused.claim_limits().front() == claim_limit{"payment.captured", 0});
  CHECK_FALSE(refused.next_due({}).has_value());
}

TEST_CASE("family_limits: an orphan is never refused, and counts") {
  claims_under on{payments_at_most({.running = 1, .per_second = 10})};
  std::vector<claimed_event> one{claimed("payment.captured")};
  for (int time = 0; time < 2; ++time) {
    family_reservation alone{on.limits, claim_kind::orphan, 100, on.now, on.signal};
    CHECK(alone.claim_limits().empty());
    alone.take(one);
    CHECK(alone.permit_of(one.front()) != nullptr);
    CHECK(on.claim_limits().front().most == 0);
  }
  on.now += 199ms;
  CHECK(on.take_all() == 0);
  on.now += 1ms;
  CHECK(on.take_all() == 1);
}

TEST_CASE("family_limits: what has a permit is attempted first") {
  claims_under on{payments_at_most({.running = 1})};
  std::vector<claimed_event> all{claimed("booking.created", "1"), claimed("payment.captured", "2"),
                                 claimed("booking.created", "3"), claimed("payment.captured", "4")};
  family_reservation reserved = on.reserve();
  reserved.take(all);
  std::string order;
  for (const claimed_event& each : all) {
    order += each.record.id;
  }
  CHECK(order == "2413");
}

TEST_CASE("family_limits: a worker, no more than the rate, and the others at once") {
  worker_bench bench;
  append_payments(bench, 5);
  bench.append_bookings(3);
  worker tested{bench.box, bench.handler, limited(bench.options(), payments_at_most({.per_second = 2}))};
  tested.run_once();
  CHECK(bench.handler.ids() == "pay-1 evt-1 evt-2 evt-3");
  tested.run_once();
  CHECK(bench.handler.runs().size() == 4);
  for (int time = 0; time < 4; ++time) {
    bench.clock.advance(500ms);
    tested.run_once();
  }
  CHECK(bench.handler.ids() == "pay-1 evt-1 evt-2 evt-3 pay-2 pay-3 pay-4 pay-5");
}

TEST_CASE("family_limits: two workers with the same limits share the rate, two with their own do not") {
  for (const bool is_shared : {true, false}) {
    INFO("shared " << is_shared);
    worker_bench bench;
    append_payments(bench, 5);
    const family_limits limits = payments_at_most({.per_second = 2});
    worker one{bench.box, bench.handler, limited(bench.options(), limits)};
    worker other{bench.box, bench.handler,
                 limited(bench.options(), is_shared ? limits : payments_at_most({.per_second = 2}))};
    one.run_once();
    other.run_once();
    CHECK(bench.handler.runs().size() == (is_shared ? 1 : 2));
  }
}

TEST_CASE("family_limits: a retry counts again") {
  worker_bench bench;
  append_payments(bench, 2);
  bench.handler.on("pay-1", retry{"busy"});
  worker tested{bench.box, bench.handler,
                limited(bench.options(), payments_at_most({.per_second = 1})).with_backoff(constant_backoff{0ms})};
  for (int time = 0; time < 3; ++time) {
    tested.run_once();
    bench.clock.advance(1s);
  }
  CHECK(bench.handler.ids() == "pay-1 pay-1 pay-2");
}

TEST_CASE("family_limits: an event released while another hangs, its permit is free before that ends") {
  worker_bench bench;
  const family_limits limits = payments_at_most({.running = 1});
  bench.append_bookings(1);
  append_payments(bench, 1);
  const claimed_event hangs = claimed("booking.created");
  std::vector<claimed_event> all{hangs, claimed("payment.captured")};
  lease_manager manager;
  lease_manager::batch& mine = manager.open();
  const auto its_signal = std::make_shared<wake_signal>();
  wake_signal& signal = *its_signal;
  {
    family_reservation reserved{limits, claim_kind::ordinary, 10, bench.clock.now(), signal};
    reserved.take(all);
    manager.hold_all(mine, all, instant::max(), reserved);
  }
  const auto most = [&] {
    const family_reservation reserved{limits, claim_kind::ordinary, 10, bench.clock.now(), signal};
    return reserved.claim_limits().empty();
  };
  CHECK_FALSE(most());
  SECTION("released") { manager.release_waiting(mine, bench.store); }
  SECTION("abandoned") { manager.abandon(mine); }
  SECTION("finished") { manager.finish(mine, 0); }
  SECTION("dropped") { manager.drop(mine, 2); }
  SECTION("its lease over before it began") {
    manager.drop(mine, 2);
    family_reservation reserved{limits, claim_kind::ordinary, 10, bench.clock.now(), signal};
    manager.hold_all(mine, all, bench.clock.now(), reserved);
    CHECK_FALSE(manager.start(mine, 0, bench.clock.now()));
  }
  CHECK(most());
}

TEST_CASE("family_limits: threads, never more at a time than allowed, and all of them in the end") {
  worker_bench bench;
  append_payments(bench, 60);
  bench.append_bookings(60);
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  std::atomic<bool> is_together = false;
  bench.handler.otherwise([&](const given_run& given) -> memory_answer {
    if (given.name == "payment.captured") {
      const int now = ++running;
      for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
      }
      // The first ones wait for each other, so that it is shown that two may run.
      while (!is_together && running < 2) {
        std::this_thread::yield();
      }
      is_together = true;
      --running;
    }
    return processed{};
  });
  worker tested{bench.box, bench.handler,
                limited(bench.options(), payments_at_most({.running = 2})).with_threads(4).with_batch(3)};
  CHECK(tested.run_until_done().processed == 120);
  CHECK(most == 2);
}

TEST_CASE("family_limits: threads, an idle one that was refused goes on when the permit is free") {
  worker_bench bench;
  append_payments(bench, 2);
  std::atomic<bool> is_let_go = false;
  bench.handler.on("pay-1", [&](const given_run&) {
    while (!is_let_go) {
      std::this_thread::yield();
    }
  });
  worker tested{bench.box, bench.handler,
                limited(bench.options(), payments_at_most({.running = 1}))
                    .with_threads(2)
                    .with_batch(1)
                    .with_poll_interval(24h)
                    .with_lease(24h)};
  std::jthread letting_go{[&] {
    while (bench.handler.runs().empty()) {
      std::this_thread::yield();
    }
    is_let_go = true;
  }};
  CHECK(tested.run_until_done().processed == 2);
}

TEST_CASE("family_limits: threads, an idle one goes on when the rate allows, long before its poll") {
  worker_bench<failing_store> bench;
  append_payments(bench, 12);
  bench.store.set_hook([&](const exchange_result&) { bench.clock.advance(1ms); });
  worker tested{
      bench.box, bench.handler,
      limited(bench.options(), payments_at_most({.per_second = 100})).with_poll_interval(24h).with_lease(24h)};
  CHECK(tested.run_until_done().processed == 12);
}
