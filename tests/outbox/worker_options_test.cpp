// SPDX-License-Identifier: MIT
// A worker's options: the defaults, the range of each number, and parts replaced while all others are kept.
#include "event_relay/outbox/worker_options.hpp"

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "event_relay/core/relay_options.hpp"
#include "support/catch.hpp"
#include "support/refusal.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

// Serves as any part, and can be told from another.
struct any_part : no_observer {
  explicit any_part(int number) : id{number} {}
  int id;

  static constexpr fixed_string strategy_name{"any"};
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  milliseconds delay(attempt_number, auto&) const { return milliseconds{id}; }
  bool operator()(const attempt_info&) const { return true; }
  result_type operator()() { return 0; }
  void record(const breadcrumb&) {}
};

// Parts that cannot be copied, only handed on.
struct owning_observer : no_observer {
  std::unique_ptr<int> owned = std::make_unique<int>(7);
};
struct owning_sink {
  std::unique_ptr<int> owned = std::make_unique<int>(8);
  void record(const breadcrumb&) {}
};

template <class Options>
std::array<int, 5> ids(Options& options) {
  return {options.backoff().id, options.faults().id, options.random().id, options.sink().id, options.observer().id};
}

auto all_parts() {
  return worker_options()
      .with_observer(any_part{5})
      .with_sink(any_part{4})
      .with_random(any_part{3})
      .with_faults(any_part{2})
      .with_backoff(any_part{1})
      .with_sources({"the relay", "the worker"})
      .with_max_attempts(9)
      .with_threads(2)
      .with_batch(7)
      .with_lease(5s)
      .with_max_run_time(40s)
      .with_max_run_time<payment_captured>(50s)
      .with_poll_interval(60ms)
      .with_stop_deadline(70ms);
}

std::array<std::int64_t, 8> numbers(const worker_limits& limits) {
  return {limits.max_attempts,
          static_cast<std::int64_t>(limits.threads),
          static_cast<std::int64_t>(limits.batch),
          limits.lease.count(),
          limits.max_run_time_for("booking.created").count(),
          limits.max_run_time_for("payment.captured").count(),
          limits.poll_interval.count(),
          limits.stop_deadline.count()};
}

struct deaf_to_claims : no_observer {
  void on_claimed(int) const {}
};
struct deaf_to_starts : no_observer {
  void on_run_started() const {}
};
struct deaf_to_ends : no_observer {
  void on_run_ended() const {}
};
struct deaf_to_settling : no_observer {
  void on_settling(int) const {}
};
struct hears_settlements : no_observer {
  void on_settled(const claimed_event&, const decision&, settle_status) { ++settled; }
  int settled = 0;
};

static_assert(worker_observer<no_observer> && worker_observer<const no_observer>);
static_assert(worker_observer<hears_settlements> && worker_observer<owning_observer>);
static_assert(!worker_observer<const hears_settlements>);
static_assert(!worker_observer<deaf_to_claims> && !worker_observer<deaf_to_starts>);
static_assert(!worker_observer<deaf_to_ends> && !worker_observer<deaf_to_settling> && !worker_observer<int>);

}  // namespace

TEST_CASE("worker_options: defaults, as documented") {
  auto options = worker_options();
  CHECK(numbers(options.limits()) == std::array<std::int64_t, 8>{3, 1, 100, 30'000, 300'000, 300'000, 1'000, 10'000});
  CHECK(options.limits().max_run_time_of.empty());
  CHECK(options.sources().relay == "relay");
  CHECK(options.sources().worker == "worker");
  process_random random;
  CHECK(options.backoff().delay(1, random) == 1s);
  CHECK(options.backoff().delay(3, random) == 4s);
  CHECK_FALSE(options.faults()(attempt_info{"booking.created", "evt-1", 1}));
  STATIC_REQUIRE(
      std::same_as<decltype(options),
                   basic_worker_options<exponential_backoff, no_faults, process_random, null_sink, no_observer>>);
}

TEST_CASE("worker_options: each number, taken up to the end of its range and refused beyond by name, value and range") {
  const auto check = [](auto set, auto last, auto beyond, const std::string& said) {
    CHECK(set(worker_options(), last) == last);
    CHECK(refusal([&] { set(worker_options(), beyond); }) == said);
  };
  const auto attempts = [](auto options, attempt_number value) {
    return std::move(options).with_max_attempts(value).limits().max_attempts;
  };
  check(attempts, 1U, 0U, "worker_options: max_attempts is 0, must be 1 or more");
  check(attempts, std::numeric_limits<attempt_number>::max(), 0U,
        "worker_options: max_attempts is 0, must be 1 or more");

  const auto threads = [](auto options, std::size_t value) {
    return std::move(options).with_threads(value).limits().threads;
  };
  check(threads, std::size_t{1}, 0U, "worker_options: threads is 0, must be 1 to 1024");
  check(threads, std::size_t{1024}, 1025U, "worker_options: threads is 1025, must be 1 to 1024");

  const auto batch = [](auto options, std::size_t value) {
    return std::move(options).with_batch(value).limits().batch;
  };
  check(batch, std::size_t{1}, 0U, "worker_options: batch is 0, must be 1 to 10000");
  check(batch, std::size_t{10'000}, 10'001U, "worker_options: batch is 10001, must be 1 to 10000");

  const auto lease = [](auto options, milliseconds value) {
    return std::move(options).with_lease(value).limits().lease;
  };
  check(lease, 30ms, 29ms, "worker_options: lease is 29 ms, must be 30 ms to 86400000 ms");
  check(lease, 24h, 24h + 1ms, "worker_options: lease is 86400001 ms, must be 30 ms to 86400000 ms");
  check(lease, 30ms, milliseconds::min(),
        "worker_options: lease is -9223372036854775808 ms, must be 30 ms to 86400000 ms");

  const auto run_time = [](auto options, milliseconds value) {
    return std::move(options).with_max_run_time(value).limits().max_run_time;
  };
  const auto run_time_of_one = [](auto options, milliseconds value) {
    const auto set = std::move(options).template with_max_run_time<booking_created>(value);
    return set.limits().max_run_time_for("booking.created");
  };
  const std::string none_at_all = "worker_options: max_run_time is 0 ms, must be 1 ms to 86400000 ms";
  const std::string too_long = "worker_options: max_run_time is 86400001 ms, must be 1 ms to 86400000 ms";
  check(run_time, 1ms, 0ms, none_at_all);
  check(run_time, 24h, 24h + 1ms, too_long);
  check(run_time_of_one, 1ms, 0ms, none_at_all);
  check(run_time_of_one, 24h, 24h + 1ms, too_long);

  const auto poll = [](auto options, milliseconds value) {
    return std::move(options).with_poll_interval(value).limits().poll_interval;
  };
  check(poll, 1ms, 0ms, "worker_options: poll_interval is 0 ms, must be 1 ms to 86400000 ms");
  check(poll, 24h, 24h + 1ms, "worker_options: poll_interval is 86400001 ms, must be 1 ms to 86400000 ms");

  const auto deadline = [](auto options, milliseconds value) {
    return std::move(options).with_stop_deadline(value).limits().stop_deadline;
  };
  check(deadline, 0ms, -1ms, "worker_options: stop_deadline is -1 ms, must be 0 ms to 86400000 ms");
  check(deadline, 24h, milliseconds::max(),
        "worker_options: stop_deadline is 9223372036854775807 ms, must be 0 ms to 86400000 ms");
}

TEST_CASE("worker_options: each with_*, its part or number and no other") {
  const std::array<int, 5> before{1, 2, 3, 4, 5};
  const std::array<std::int64_t, 8> limits_before{9, 2, 7, 5'000, 40'000, 50'000, 60, 70};
  const auto check = [&](auto options, std::size_t changed) {
    CAPTURE(changed);
    auto expected = before;
    auto expected_limits = limits_before;
    if (changed < expected.size()) {
      expected[changed] = 99;
    } else if (changed >= 10) {
      expected_limits[changed - 10] = 99;
    }
    CHECK(ids(options) == expected);
    CHECK(numbers(options.limits()) == expected_limits);
    CHECK(options.sources().relay == (changed == 9 ? "a" : "the relay"));
    CHECK(options.sources().worker == (changed == 9 ? "b" : "the worker"));
  };
  const any_part other{99};
  check(all_parts(), 8);
  check(all_parts().with_backoff(other), 0);
  check(all_parts().with_faults(other), 1);
  check(all_parts().with_random(other), 2);
  check(all_parts().with_sink(other), 3);
  check(all_parts().with_observer(other), 4);
  check(all_parts().with_sources({"a", "b"}), 9);
  check(all_parts().with_max_attempts(99), 10);
  check(all_parts().with_threads(99), 11);
  check(all_parts().with_batch(99), 12);
  check(all_parts().with_lease(99ms), 13);
  check(all_parts().with_max_run_time(99ms), 14);
  check(all_parts().with_max_run_time<payment_captured>(99ms), 15);
  check(all_parts().with_poll_interval(99ms), 16);
  check(all_parts().with_stop_deadline(99ms), 17);
}

TEST_CASE("worker_options: max_run_time, an event's own before everyone's, whatever came first") {
  const auto own_first =
      worker_options().with_max_run_time<booking_created>(2s).with_max_run_time<payment_captured>(3s).with_max_run_time(
          1s);
  CHECK(own_first.limits().max_run_time_for("booking.created") == 2s);
  CHECK(own_first.limits().max_run_time_for("payment.captured") == 3s);
  CHECK(own_first.limits().max_run_time_for("booking.accepted") == 1s);
  CHECK(own_first.limits().max_run_time_for("") == 1s);
  const auto twice = worker_options().with_max_run_time<booking_created>(2s).with_max_run_time<booking_created>(4s);
  CHECK(twice.limits().max_run_time_for("booking.created") == 4s);
}

TEST_CASE("worker_options: parts that cannot be copied, handed on through all changes") {
  auto options = worker_options()
                     .with_observer(owning_observer{})
                     .with_sink(owning_sink{})
                     .with_backoff(any_part{1})
                     .with_faults(any_part{2})
                     .with_random(any_part{3})
                     .with_max_run_time<booking_created>(2s)
                     .with_sources({"a", "b"});
  REQUIRE((options.observer().owned != nullptr && options.sink().owned != nullptr));
  CHECK(*options.observer().owned == 7);
  CHECK(*options.sink().owned == 8);
}

TEST_CASE("relay_options: parts that cannot be copied, handed on by the same code") {
  auto options = relay_options()
                     .with_sink(owning_sink{})
                     .with_backoff(any_part{1})
                     .with_random(any_part{3})
                     .with_sources({"a", "b"})
                     .with_faults(any_part{2});
  REQUIRE(options.sink().owned != nullptr);
  CHECK(*options.sink().owned == 8);
  CHECK(options.backoff().id == 1);
  CHECK(options.faults().id == 2);
  CHECK(options.random().id == 3);
  CHECK(options.sources().relay == "a");
}

TEST_CASE("worker_observer: derived from no_observer, hears what it hides and nothing else") {
  auto options = worker_options().with_observer(hears_settlements{});
  const claimed_event claim;
  options.observer().on_claimed({&claim, 1});
  options.observer().on_run_started(claim, {});
  options.observer().on_run_ended(claim, {});
  options.observer().on_settling();
  CHECK(options.observer().settled == 0);
  options.observer().on_settled(claim, {}, settle_status::applied);
  CHECK(options.observer().settled == 1);
}
