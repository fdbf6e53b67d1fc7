// SPDX-License-Identifier: MIT
// The one time of an outbox that many machines share: the server's. Between two answers of the server it is
// carried on by this machine's steady clock, so that asking for it costs no round trip.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>

#include "event_relay/core/clock.hpp"
#include "event_relay/core/instant.hpp"

namespace event_relay::postgres {

/// The default clock of a store. It never is ahead of the server's `clock_timestamp()`, and behind it by no more than
/// the last answer took and what is lost where three readings are rounded to milliseconds. What is stored is always the
/// server's own reading. A handle: copies show one time. Thread-safe.
class server_clock {
 public:
  /// min_instant before the server's first answer.
  instant now() const {
    const std::int64_t ahead = ahead_->load();
    return ahead == unknown
               ? min_instant
               : instant{std::chrono::milliseconds{ahead} + std::chrono::floor<std::chrono::milliseconds>(steady())};
  }

  /// The server's reading, in an answer that has just come.
  void sync(instant server_now) {
    // Rounded up, as a reading that is rounded down could make the next millisecond seem to come too early.
    const auto now = std::chrono::ceil<std::chrono::milliseconds>(steady());
    ahead_->store((server_now.time_since_epoch() - now).count());
  }

 private:
  static constexpr std::int64_t unknown = INT64_MIN;

  static std::chrono::steady_clock::duration steady() { return std::chrono::steady_clock::now().time_since_epoch(); }

  std::shared_ptr<std::atomic<std::int64_t>> ahead_ = std::make_shared<std::atomic<std::int64_t>>(unknown);
};

namespace detail {

/// The time that a statement's first parameter gives it: none, so that the statement takes the server's own; or that of
/// a test's clock.
using clock_override = std::optional<std::int64_t>;

template <clock Clock>
clock_override clock_override_of(Clock& given) {
  if constexpr (std::same_as<Clock, server_clock>) {
    return std::nullopt;
  } else {
    return given.now().time_since_epoch().count();
  }
}

/// Gives the server's reading to the clock that shows it; a test's clock goes its own way.
template <clock Clock>
void sync(Clock& to, instant server_now) {
  if constexpr (std::same_as<Clock, server_clock>) {
    to.sync(server_now);
  }
}

/// A wait that the server can add to any instant without an overflow. A statement holds the sum at max_instant.
inline std::int64_t addable(std::chrono::milliseconds wait) {
  const std::chrono::milliseconds longest = max_instant - min_instant;
  return std::clamp(wait, -longest, longest).count();
}

}  // namespace detail

}  // namespace event_relay::postgres
