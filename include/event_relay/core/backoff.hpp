// SPDX-License-Identifier: MIT
// How long to wait after an attempt that failed. A backoff is a value without state: it is given the
// attempt's number, which the envelope holds, and a source of random bits, so a restart changes nothing.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

#include "event_relay/core/envelope.hpp"
#include "event_relay/core/fixed_string.hpp"
#include "event_relay/core/random.hpp"

namespace event_relay {

/// `delay(attempt, random)` is the wait after that attempt: never negative, the same for the same
/// attempt and the same random bits. `strategy_name` is its name on the wire.
/// Thread-safe: it is const and keeps no state.
template <class Type>
concept backoff_policy = std::copyable<Type> &&
    requires(const Type& policy, attempt_number attempt, process_random& random) {
  { policy.delay(attempt, random) } -> std::same_as<std::chrono::milliseconds>;
  { Type::strategy_name.view() } -> std::same_as<std::string_view>;
};

namespace detail {

constexpr std::chrono::milliseconds require_not_negative(std::string_view field, std::chrono::milliseconds value) {
  if (value < std::chrono::milliseconds::zero()) {
    throw std::invalid_argument(fmt::format("{} is {} ms, must be 0 ms or more", field, value.count()));
  }
  return value;
}

constexpr std::chrono::milliseconds saturating_multiply(std::chrono::milliseconds wait, std::uint64_t factor) {
  constexpr auto longest = std::chrono::milliseconds::max();
  if (wait.count() == 0 || factor == 0) {
    return std::chrono::milliseconds::zero();
  }
  const auto most = static_cast<std::uint64_t>(longest.count() / wait.count());
  return factor > most ? longest : wait * static_cast<std::chrono::milliseconds::rep>(factor);
}

}  // namespace detail

/// base x 2^(attempt-1), without a cap: wrap it in `capped` to have one. A base of 0 retries at once. Throws
/// std::invalid_argument for a negative base.
class exponential_backoff {
 public:
  static constexpr fixed_string strategy_name{"deterministic-exponential-v1"};

  constexpr explicit exponential_backoff(std::chrono::milliseconds base)
      : base_{detail::require_not_negative("exponential_backoff: base", base)} {}

  template <random_source Random>
  constexpr std::chrono::milliseconds delay(attempt_number attempt, Random&) const {
    const attempt_number doublings = attempt > 0 ? attempt - 1 : 0;
    return detail::saturating_multiply(base_, std::uint64_t{1} << std::min<attempt_number>(doublings, 63));
  }

 private:
  std::chrono::milliseconds base_;
};

/// The same wait after every attempt. Throws std::invalid_argument for a negative one.
class constant_backoff {
 public:
  static constexpr fixed_string strategy_name{"constant-v1"};

  constexpr explicit constant_backoff(std::chrono::milliseconds wait)
      : wait_{detail::require_not_negative("constant_backoff: wait", wait)} {}

  template <random_source Random>
  constexpr std::chrono::milliseconds delay(attempt_number, Random&) const {
    return wait_;
  }

 private:
  std::chrono::milliseconds wait_;
};

/// step x attempt. Throws std::invalid_argument for a negative step.
class linear_backoff {
 public:
  static constexpr fixed_string strategy_name{"linear-v1"};

  constexpr explicit linear_backoff(std::chrono::milliseconds step)
      : step_{detail::require_not_negative("linear_backoff: step", step)} {}

  template <random_source Random>
  constexpr std::chrono::milliseconds delay(attempt_number attempt, Random&) const {
    return detail::saturating_multiply(step_, attempt);
  }

 private:
  std::chrono::milliseconds step_;
};

/// The first wait follows the first attempt, and so on; the last wait follows all later attempts. Throws
/// std::invalid_argument for an empty list, more than `capacity` waits, or a negative one.
class listed_backoff {
 public:
  static constexpr fixed_string strategy_name{"listed-v1"};
  /// The waits are an array within the object, so that a backoff never allocates.
  static constexpr std::size_t capacity = 16;

  constexpr listed_backoff(std::initializer_list<std::chrono::milliseconds> waits)
      : listed_backoff(std::span<const std::chrono::milliseconds>{waits.begin(), waits.size()}) {}

  constexpr explicit listed_backoff(std::span<const std::chrono::milliseconds> waits) : count_{waits.size()} {
    if (waits.empty() || waits.size() > capacity) {
      throw std::invalid_argument(fmt::format("listed_backoff: {} waits, must be 1 to {}", waits.size(), capacity));
    }
    for (std::size_t at = 0; at < count_; ++at) {
      waits_[at] = detail::require_not_negative("listed_backoff: a wait", waits[at]);
    }
  }

  template <random_source Random>
  constexpr std::chrono::milliseconds delay(attempt_number attempt, Random&) const {
    return waits_[std::min<std::size_t>(attempt > 0 ? attempt - 1 : 0, count_ - 1)];
  }

 private:
  std::array<std::chrono::milliseconds, capacity> waits_{};
  std::size_t count_;
};

}  // namespace event_relay
