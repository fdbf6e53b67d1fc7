// SPDX-License-Identifier: MIT
#include "event_relay/core/relay_options.hpp"

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using std::chrono::milliseconds;

// Serves as any part, and can be told from another.
struct any_part {
  int id;

  static constexpr fixed_string strategy_name{"any"};
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  milliseconds delay(attempt_number, auto&) const { return milliseconds{id}; }
  bool operator()(const attempt_info&) const { return true; }
  bool wait(const retry_metadata&, const std::stop_token&) { return true; }
  instant now() { return {}; }
  result_type operator()() { return 0; }
  void record(const breadcrumb&) {}
  void notify(const notification&) {}
  void operator()(const auto&, std::string_view) {}
};

// A part that cannot be copied, only handed on.
struct owning_pacing {
  std::unique_ptr<int> owned;
  bool wait(const retry_metadata&, const std::stop_token&) { return true; }
};

template <class Options>
std::array<int, 8> ids(Options& options) {
  return {options.backoff().id, options.faults().id, options.pacing().id,        options.time().id,
          options.random().id,  options.sink().id,   options.notifications().id, options.dead_letters().id};
}

auto all_parts() {
  return relay_options()
      .with_dead_letters(any_part{8})
      .with_notifier(any_part{7})
      .with_sink(any_part{6})
      .with_random(any_part{5})
      .with_clock(any_part{4})
      .with_pacing(any_part{3})
      .with_faults(any_part{2})
      .with_backoff(any_part{1})
      .with_sources({"the relay", "the worker"})
      .with_max_attempts(9);
}

}  // namespace

TEST_CASE("relay_options: defaults, as documented") {
  auto options = relay_options();
  CHECK(options.max_attempts() == 3);
  CHECK(options.sources().relay == "relay");
  CHECK(options.sources().worker == "worker");

  process_random random;
  CHECK(options.backoff().delay(1, random) == std::chrono::seconds{1});
  CHECK(options.backoff().delay(3, random) == std::chrono::seconds{4});
  CHECK_FALSE(options.faults()(attempt_info{"booking.created", "evt-1", 1}));
  CHECK(options.pacing().wait({"x", 1, 3, std::chrono::hours{24}, max_instant}, {}));
  CHECK(options.notifications().take().empty());
  const booking_created event = sample_event();
  CHECK_NOTHROW(options.dead_letters()(worker_envelope<booking_created>{event, {}, {}}, "text"));

  STATIC_REQUIRE(std::same_as<decltype(options),
                              basic_relay_options<exponential_backoff, no_faults, at_once, system_clock, process_random,
                                                  null_sink, collecting_notifier, ignore_dead_letters>>);
}

TEST_CASE("relay_options: defaults, a collection of notifications each") {
  auto one = relay_options();
  auto other = relay_options();
  one.notifications().notify({push("ada", "text"), "evt-1", correlation_id::parse("c").value(), sample_instant});
  CHECK(other.notifications().take().empty());
  CHECK(one.notifications().take().size() == 1);
}

TEST_CASE("relay_options: each with_*, its part and no other") {
  const std::array<int, 8> before{1, 2, 3, 4, 5, 6, 7, 8};
  const auto check = [&](auto options, std::size_t changed) {
    CAPTURE(changed);
    auto expected = before;
    if (changed < expected.size()) {
      expected[changed] = 99;
    }
    CHECK(ids(options) == expected);
    CHECK(options.max_attempts() == (changed == 8 ? 99 : 9));
    CHECK(options.sources().relay == (changed == 9 ? "a" : "the relay"));
    CHECK(options.sources().worker == (changed == 9 ? "b" : "the worker"));
  };
  const any_part other{99};
  check(all_parts().with_backoff(other), 0);
  check(all_parts().with_faults(other), 1);
  check(all_parts().with_pacing(other), 2);
  check(all_parts().with_clock(other), 3);
  check(all_parts().with_random(other), 4);
  check(all_parts().with_sink(other), 5);
  check(all_parts().with_notifier(other), 6);
  check(all_parts().with_dead_letters(other), 7);
  check(all_parts().with_max_attempts(99), 8);
  check(all_parts().with_sources({"a", "b"}), 9);
  check(all_parts(), 10);
}

TEST_CASE("relay_options: each with_* on the defaults, the types of all others as they were") {
  using all = basic_relay_options<any_part, any_part, any_part, any_part, any_part, any_part, any_part, any_part>;
  STATIC_REQUIRE(std::same_as<decltype(all_parts()), all>);
  STATIC_REQUIRE(std::same_as<decltype(relay_options().with_clock(any_part{1})),
                              basic_relay_options<exponential_backoff, no_faults, at_once, any_part, process_random,
                                                  null_sink, collecting_notifier, ignore_dead_letters>>);
  STATIC_REQUIRE(std::same_as<decltype(relay_options().with_dead_letters(any_part{1})),
                              basic_relay_options<exponential_backoff, no_faults, at_once, system_clock, process_random,
                                                  null_sink, collecting_notifier, any_part>>);
  auto options = relay_options().with_backoff(constant_backoff{milliseconds{7}});
  CHECK(options.max_attempts() == 3);
  CHECK(options.sources().relay == "relay");
}

TEST_CASE("relay_options: max_attempts of 0, refused; 1 and the largest, taken") {
  CHECK_THROWS_AS(relay_options().with_max_attempts(0), std::invalid_argument);
  CHECK_THROWS_WITH(relay_options().with_max_attempts(0), "relay_options: max_attempts is 0, must be 1 or more");
  constexpr attempt_number largest = std::numeric_limits<attempt_number>::max();
  CHECK(relay_options().with_max_attempts(1).max_attempts() == 1);
  CHECK(relay_options().with_max_attempts(largest).max_attempts() == largest);
}

TEST_CASE("relay_options: a part that cannot be copied, handed on through all changes") {
  auto options = relay_options()
                     .with_pacing(owning_pacing{std::make_unique<int>(7)})
                     .with_backoff(any_part{1})
                     .with_faults(any_part{2})
                     .with_clock(any_part{4})
                     .with_random(any_part{5})
                     .with_sink(any_part{6})
                     .with_notifier(any_part{7})
                     .with_dead_letters(any_part{8})
                     .with_max_attempts(2)
                     .with_sources({"a", "b"});
  REQUIRE(options.pacing().owned != nullptr);
  CHECK(*options.pacing().owned == 7);
}

TEST_CASE("relay_options: a handle as a part, the host looks at the same thing") {
  collecting_notifier mine;
  auto options = relay_options().with_notifier(mine).with_max_attempts(2);
  options.notifications().notify({push("ada", "text"), "evt-1", correlation_id::parse("c").value(), sample_instant});
  CHECK(mine.take().size() == 1);
}
