// SPDX-License-Identifier: MIT
#include "event_relay/core/backoff.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"
#include "support/refusal.hpp"

namespace {

using namespace event_relay;
using event_relay_test::refusal;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds longest = milliseconds::max();
constexpr attempt_number last_number = std::numeric_limits<attempt_number>::max();

// Says how often it was drawn from.
struct counted_random {
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  constexpr result_type operator()() { return ++draws; }
  result_type draws = 0;
};

// None of the policies of this header is random.
template <backoff_policy Backoff>
constexpr milliseconds delay(const Backoff& backoff, attempt_number attempt) {
  counted_random random;
  const milliseconds wait = backoff.delay(attempt, random);
  return random.draws == 0 ? wait : throw std::logic_error("drew a random number");
}

struct hosts_own {
  static constexpr fixed_string strategy_name{"hosts-own"};
  milliseconds delay(attempt_number, auto&) const { return 1ms; }
};
struct in_seconds : hosts_own {
  std::chrono::seconds delay(attempt_number, auto&) const { return 1s; }
};
struct with_state : hosts_own {
  milliseconds delay(attempt_number, auto&) { return 1ms; }
};
struct not_copyable : hosts_own {
  std::unique_ptr<int> state;
};
struct nameless {
  milliseconds delay(attempt_number, auto&) const { return 1ms; }
};
struct badly_named : nameless {
  static constexpr int strategy_name = 1;
};

static_assert(backoff_policy<exponential_backoff> && backoff_policy<constant_backoff> &&
              backoff_policy<linear_backoff>);
static_assert(backoff_policy<listed_backoff> && backoff_policy<hosts_own>);
static_assert(!backoff_policy<int> && !backoff_policy<in_seconds> && !backoff_policy<with_state>);
static_assert(!backoff_policy<not_copyable> && !backoff_policy<nameless> && !backoff_policy<badly_named>);

static_assert(std::is_trivially_copyable_v<listed_backoff>);  // it never allocates

static_assert(exponential_backoff::strategy_name.view() == "deterministic-exponential-v1");
static_assert(constant_backoff::strategy_name.view() == "constant-v1");
static_assert(linear_backoff::strategy_name.view() == "linear-v1");
static_assert(listed_backoff::strategy_name.view() == "listed-v1");

static_assert(delay(exponential_backoff{1s}, 4) == 8s && delay(exponential_backoff{1s}, last_number) == longest);
static_assert(delay(constant_backoff{5ms}, 3) == 5ms);
static_assert(delay(linear_backoff{5ms}, 3) == 15ms && delay(linear_backoff{longest}, 2) == longest);
static_assert(delay(listed_backoff{1s, 5s, 30s}, 2) == 5s);

}  // namespace

TEST_CASE("exponential_backoff: any base and attempt, doubles after each attempt and stays at the longest wait") {
  for (const milliseconds base : {0ms, 1ms, 2ms, 3ms, 7ms, 1000ms, 86'400'000ms, milliseconds{std::int64_t{1} << 40},
                                  longest / 2, longest / 2 + 1ms, longest - 1ms, longest}) {
    milliseconds expected = base;
    for (attempt_number attempt = 1; attempt <= 200; ++attempt) {
      CHECK(delay(exponential_backoff{base}, attempt) == expected);
      expected = expected > longest / 2 ? longest : expected * 2;
    }
    CHECK(delay(exponential_backoff{base}, last_number) == (base == 0ms ? 0ms : longest));
  }
}

TEST_CASE("exponential_backoff: attempts around the 63 bits of a wait, the last that fits is exact") {
  const auto two_to_the = [](int power) { return milliseconds{std::int64_t{1} << power}; };
  struct {
    milliseconds base;
    attempt_number attempt;
    milliseconds expected;
  } const cases[] = {{1ms, 1, 1ms},
                     {1ms, 2, 2ms},
                     {1ms, 62, two_to_the(61)},
                     {1ms, 63, two_to_the(62)},
                     {1ms, 64, longest},
                     {1ms, 65, longest},
                     {1ms, 66, longest},
                     {1ms, last_number, longest},
                     {2ms, 62, two_to_the(62)},
                     {2ms, 63, longest},
                     {2ms, 64, longest},
                     {2ms, 65, longest},
                     {3ms, 62, 3 * two_to_the(61)},
                     {3ms, 63, longest},
                     {0ms, 64, 0ms},
                     {0ms, last_number, 0ms},
                     {1s, 1, 1s},
                     {1s, 2, 2s},
                     {1s, 3, 4s},
                     {1s, 10, 512s}};
  for (const auto& each : cases) {
    CHECK(delay(exponential_backoff{each.base}, each.attempt) == each.expected);
  }
}

TEST_CASE("constant_backoff: any attempt, the same wait") {
  for (const milliseconds wait : {0ms, 1ms, 250ms, longest}) {
    for (const attempt_number attempt : {1U, 2U, 63U, 64U, 65U, last_number}) {
      CHECK(delay(constant_backoff{wait}, attempt) == wait);
    }
  }
}

TEST_CASE("linear_backoff: any step and attempt, grows by the step and stays at the longest wait") {
  for (const milliseconds step : {0ms, 1ms, 250ms, longest / 150, longest / 2, longest}) {
    milliseconds expected = 0ms;
    for (attempt_number attempt = 1; attempt <= 200; ++attempt) {
      expected = expected > longest - step ? longest : expected + step;
      CHECK(delay(linear_backoff{step}, attempt) == expected);
    }
  }
  const milliseconds step{std::int64_t{1} << 31};
  CHECK(delay(linear_backoff{step}, last_number) == milliseconds{step.count() * std::int64_t{last_number}});
  CHECK(delay(linear_backoff{2 * step}, last_number / 2) == milliseconds{2 * step.count() * (last_number / 2)});
  CHECK(delay(linear_backoff{2 * step}, last_number) == longest);
  CHECK(delay(linear_backoff{0ms}, last_number) == 0ms);
}

TEST_CASE("listed_backoff: attempts within the list and after it, its waits in order and then the last") {
  std::vector<milliseconds> waits;
  for (std::size_t size = 1; size <= listed_backoff::capacity; ++size) {
    waits.push_back(milliseconds{1000 - 7 * static_cast<int>(size)});
    const listed_backoff backoff{std::span<const milliseconds>{waits}};
    for (attempt_number attempt = 1; attempt <= 40; ++attempt) {
      CHECK(delay(backoff, attempt) == waits[std::min<std::size_t>(attempt, size) - 1]);
    }
    CHECK(delay(backoff, last_number) == waits.back());
  }
  CHECK(delay(listed_backoff{0ms, longest}, 1) == 0ms);
  CHECK(delay(listed_backoff{0ms, longest}, 2) == longest);
}

TEST_CASE("listed_backoff: no waits or more than its capacity, refused with their number") {
  const std::vector<milliseconds> waits(listed_backoff::capacity + 1, 1ms);
  CHECK(refusal([] { listed_backoff{std::span<const milliseconds>{}}; }) == "listed_backoff: 0 waits, must be 1 to 16");
  CHECK(refusal([&] { listed_backoff{std::span{waits}}; }) == "listed_backoff: 17 waits, must be 1 to 16");
  CHECK(refusal([&] { listed_backoff{std::span{waits}.first(16)}; }) == "not refused");
}

TEST_CASE("backoff: a negative duration, refused with the field, the value and the range") {
  for (const milliseconds negative : {-1ms, -1000ms, milliseconds::min()}) {
    const std::string said = " is " + std::to_string(negative.count()) + " ms, must be 0 ms or more";
    CHECK(refusal([&] { exponential_backoff{negative}; }) == "exponential_backoff: base" + said);
    CHECK(refusal([&] { constant_backoff{negative}; }) == "constant_backoff: wait" + said);
    CHECK(refusal([&] { linear_backoff{negative}; }) == "linear_backoff: step" + said);
    CHECK(refusal([&] { listed_backoff{negative}; }) == "listed_backoff: a wait" + said);
    CHECK(refusal([&] { listed_backoff{1ms, negative, 1ms}; }) == "listed_backoff: a wait" + said);
  }
}
