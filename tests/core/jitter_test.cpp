// SPDX-License-Identifier: MIT
#include "event_relay/core/jitter.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace {

using namespace event_relay;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds longest = milliseconds::max();
constexpr attempt_number last_number = std::numeric_limits<attempt_number>::max();

// Gives the same bits each time.
struct fixed_random {
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  constexpr result_type operator()() const { return bits; }
  result_type bits = 0;
};

template <backoff_policy Backoff>
constexpr milliseconds delay(const Backoff& backoff, attempt_number attempt, std::uint64_t bits) {
  fixed_random random{bits};
  return backoff.delay(attempt, random);
}

template <backoff_policy Backoff>
std::vector<milliseconds> delays(const Backoff& backoff, std::uint64_t seed, attempt_number attempt,
                                 std::size_t count) {
  std::mt19937_64 random{seed};
  std::vector<milliseconds> drawn(count);
  std::generate(drawn.begin(), drawn.end(), [&] { return backoff.delay(attempt, random); });
  return drawn;
}

constexpr auto waits_until(milliseconds cap) { return capped{exponential_backoff{1s}, cap}; }

using full = full_jitter<capped<exponential_backoff>>;
using equal = equal_jitter<capped<exponential_backoff>>;
static_assert(backoff_policy<capped<linear_backoff>> && backoff_policy<full> && backoff_policy<equal>);
static_assert(backoff_policy<capped<full_jitter<equal_jitter<listed_backoff>>>>);
static_assert(full::strategy_name.view() == "deterministic-exponential-v1+capped+full-jitter");
static_assert(equal::strategy_name.view() == "deterministic-exponential-v1+capped+equal-jitter");
static_assert(capped<full_jitter<listed_backoff>>::strategy_name.view() == "listed-v1+full-jitter+capped");

template <template <class> class Wrapper, class Type>
concept wraps = requires {
  typename Wrapper<Type>;
};
template <class Type>
using capped_of = capped<Type>;
template <class Type>
using full_jitter_of = full_jitter<Type>;
template <class Type>
using equal_jitter_of = equal_jitter<Type>;
static_assert(wraps<capped_of, constant_backoff> && !wraps<capped_of, int>);
static_assert(wraps<full_jitter_of, constant_backoff> && !wraps<full_jitter_of, int>);
static_assert(wraps<equal_jitter_of, constant_backoff> && !wraps<equal_jitter_of, int>);

static_assert(delay(waits_until(30s), 6, 0) == 30s && delay(waits_until(30s), 5, 0) == 16s);
static_assert(delay(full_jitter{waits_until(30s)}, 3, 4001) == 0ms &&
              delay(full_jitter{waits_until(30s)}, 3, 4000) == 4s);
static_assert(delay(equal_jitter{waits_until(30s)}, 3, 0) == 2s &&
              delay(equal_jitter{waits_until(30s)}, 3, 2000) == 4s);

}  // namespace

TEST_CASE("capped: waits below and above the cap, the shorter of the two") {
  for (const milliseconds cap : {0ms, 1ms, 999ms, 1000ms, 1001ms, 30'000ms, longest - 1ms, longest}) {
    for (attempt_number attempt = 1; attempt <= 80; ++attempt) {
      CHECK(delay(waits_until(cap), attempt, 0) == std::min(cap, delay(exponential_backoff{1s}, attempt, 0)));
    }
    CHECK(delay(waits_until(cap), last_number, 0) == cap);
  }
}

TEST_CASE("capped: a negative cap, refused with the field, the value and the range") {
  CHECK_THROWS_AS(waits_until(-1ms), std::invalid_argument);
  CHECK_THROWS_WITH(waits_until(-1ms), "capped: cap is -1 ms, must be 0 ms or more");
}

TEST_CASE("full_jitter: thousands of draws, every wait from 0 to the wrapped one and none beyond") {
  for (const int wrapped : {0, 1, 2, 7, 10, 64}) {
    const full_jitter backoff{constant_backoff{milliseconds{wrapped}}};
    const auto drawn = delays(backoff, 2026, 1, 20'000);
    const std::set<milliseconds> seen(drawn.begin(), drawn.end());
    CHECK(*seen.begin() == 0ms);
    CHECK(*seen.rbegin() == milliseconds{wrapped});
    CHECK(seen.size() == static_cast<std::size_t>(wrapped) + 1);
  }
}

TEST_CASE("equal_jitter: thousands of draws, every wait of the upper half and none beyond") {
  for (const int wrapped : {0, 1, 2, 7, 10, 64, 65}) {
    const equal_jitter backoff{constant_backoff{milliseconds{wrapped}}};
    const auto drawn = delays(backoff, 2026, 1, 20'000);
    const std::set<milliseconds> seen(drawn.begin(), drawn.end());
    CHECK(*seen.begin() == milliseconds{wrapped / 2});
    CHECK(*seen.rbegin() == milliseconds{wrapped});
    CHECK(seen.size() == static_cast<std::size_t>(wrapped - wrapped / 2) + 1);
  }
}

TEST_CASE("jitter: any attempt of a capped backoff, never a wait above the cap or below the jitter's floor") {
  for (const attempt_number attempt : {1U, 2U, 4U, 5U, 6U, 40U, 63U, 64U, 65U, last_number}) {
    const milliseconds wrapped = delay(waits_until(30s), attempt, 0);
    const auto full_drawn = delays(full_jitter{waits_until(30s)}, attempt, attempt, 5000);
    const auto [shortest, longest_of_full] = std::minmax_element(full_drawn.begin(), full_drawn.end());
    CHECK(*shortest >= 0ms);
    CHECK(*shortest < wrapped / 10);
    CHECK(*longest_of_full <= wrapped);
    CHECK(*longest_of_full > wrapped * 9 / 10);
    const auto equal_drawn = delays(equal_jitter{waits_until(30s)}, attempt, attempt, 5000);
    const auto [floor, longest_of_equal] = std::minmax_element(equal_drawn.begin(), equal_drawn.end());
    CHECK(*floor >= wrapped / 2);
    CHECK(*longest_of_equal <= wrapped);
  }
}

TEST_CASE("jitter: the longest wait that there is, reaches both ends without overflow") {
  const auto highest = static_cast<std::uint64_t>(longest.count());
  const full_jitter full_of_longest{constant_backoff{longest}};
  CHECK(delay(full_of_longest, 1, 0) == 0ms);
  CHECK(delay(full_of_longest, 1, highest) == longest);
  const equal_jitter equal_of_longest{constant_backoff{longest}};
  CHECK(delay(equal_of_longest, 1, 0) == longest / 2);
  CHECK(delay(equal_of_longest, 1, highest / 2 + 1) == longest);
}

TEST_CASE("jitter: the same seed, the same waits; another seed, others") {
  const full_jitter full_backoff{waits_until(1h)};
  CHECK(delays(full_backoff, 1, 20, 1000) == delays(full_backoff, 1, 20, 1000));
  CHECK(delays(full_backoff, 1, 20, 1000) != delays(full_backoff, 2, 20, 1000));
  const equal_jitter equal_backoff{waits_until(1h)};
  CHECK(delays(equal_backoff, 1, 20, 1000) == delays(equal_backoff, 1, 20, 1000));
  CHECK(delays(equal_backoff, 1, 20, 1000) != delays(equal_backoff, 2, 20, 1000));
}
