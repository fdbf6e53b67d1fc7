// SPDX-License-Identifier: MIT
// A backoff of one's own beside those of the library. A policy is a value with a name and a const
// function from the attempt's number to the wait; caps and jitter wrap it like any other.
#include <chrono>
#include <random>
#include <utility>

#include <fmt/core.h>
#include <event_relay/event_relay.hpp>

namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

/// base x the Fibonacci number of the attempt: gentler than doubling.
struct fibonacci_backoff {
  static constexpr event_relay::fixed_string strategy_name{"fibonacci-v1"};
  milliseconds base;

  template <event_relay::random_source Random>
  constexpr milliseconds delay(event_relay::attempt_number attempt, Random&) const {
    milliseconds previous{0};
    milliseconds wait = base;
    for (event_relay::attempt_number at = 1; at < attempt && wait < 1h; ++at) {
      previous = std::exchange(wait, wait + previous);
    }
    return wait;
  }
};
static_assert(event_relay::backoff_policy<fibonacci_backoff>);

void show(const event_relay::backoff_policy auto& policy) {
  std::mt19937_64 random{42};  // seeded, so that this prints the same each time
  fmt::print("{}:", policy.strategy_name.view());
  for (event_relay::attempt_number attempt = 1; attempt <= 8; ++attempt) {
    fmt::print(" {}", policy.delay(attempt, random).count());
  }
  fmt::print("\n");
}

}  // namespace

int main() {
  using namespace event_relay;
  show(fibonacci_backoff{100ms});
  show(capped{fibonacci_backoff{100ms}, 1s});
  show(full_jitter{capped{fibonacci_backoff{100ms}, 1s}});
  show(capped{exponential_backoff{100ms}, 5s});
  show(listed_backoff{1s, 5s, 1min});
}
