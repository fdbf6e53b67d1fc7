// SPDX-License-Identifier: MIT
// Wrappers for a backoff: a cap on its waits, and random waits, which keep events that failed together from
// being retried together. A wrapped backoff is a backoff again: full_jitter{capped{exponential_backoff{1s},
// 30s}}.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include "event_relay/core/backoff.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/fixed_string.hpp"
#include "event_relay/core/random.hpp"

namespace event_relay {

/// min(cap, wait). Throws std::invalid_argument for a negative cap.
template <backoff_policy Backoff>
class capped {
 public:
  static constexpr auto strategy_name = Backoff::strategy_name + fixed_string{"+capped"};

  constexpr capped(Backoff backoff, std::chrono::milliseconds cap)
      : backoff_{std::move(backoff)}, cap_{detail::require_not_negative("capped: cap", cap)} {}

  template <random_source Random>
  constexpr std::chrono::milliseconds delay(attempt_number attempt, Random& random) const {
    return std::min(backoff_.delay(attempt, random), cap_);
  }

 private:
  Backoff backoff_;
  std::chrono::milliseconds cap_;
};

/// "Full jitter" of M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015:
/// a random wait between 0 and the wrapped one, both included. It only ever shortens a wait.
template <backoff_policy Backoff>
class full_jitter {
 public:
  static constexpr auto strategy_name = Backoff::strategy_name + fixed_string{"+full-jitter"};

  constexpr explicit full_jitter(Backoff backoff) : backoff_{std::move(backoff)} {}

  template <random_source Random>
  constexpr std::chrono::milliseconds delay(attempt_number attempt, Random& random) const {
    const auto longest = static_cast<std::uint64_t>(backoff_.delay(attempt, random).count());
    return std::chrono::milliseconds{uniform(random, longest)};
  }

 private:
  Backoff backoff_;
};

/// "Equal jitter" of the same source: half of the wrapped wait, plus a random part of the other half.
template <backoff_policy Backoff>
class equal_jitter {
 public:
  static constexpr auto strategy_name = Backoff::strategy_name + fixed_string{"+equal-jitter"};

  constexpr explicit equal_jitter(Backoff backoff) : backoff_{std::move(backoff)} {}

  template <random_source Random>
  constexpr std::chrono::milliseconds delay(attempt_number attempt, Random& random) const {
    const std::chrono::milliseconds longest = backoff_.delay(attempt, random);
    const std::chrono::milliseconds fixed = longest / 2;
    return fixed + std::chrono::milliseconds{uniform(random, static_cast<std::uint64_t>((longest - fixed).count()))};
  }

 private:
  Backoff backoff_;
};

}  // namespace event_relay
