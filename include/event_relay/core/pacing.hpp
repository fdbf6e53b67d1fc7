// SPDX-License-Identifier: MIT
// What the in-process relay does between two attempts: go on at once, or wait until the next one is due.
// The waiting itself is injected, so a test waits in virtual time.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>

#include "event_relay/core/clock.hpp"
#include "event_relay/core/envelope.hpp"

namespace event_relay {

/// `wait(failed, stop)` returns true when the attempt after `failed` may start, false when `stop` was
/// requested first. Called from every thread that publishes.
template <class Type>
concept pacing_policy = requires(Type& pacing, const retry_metadata& failed, std::stop_token stop) {
  { pacing.wait(failed, stop) } -> std::same_as<bool>;
};

/// The default: no wait. The instants of the retry metadata are then only a report.
struct at_once {
  bool wait(const retry_metadata&, const std::stop_token& stop) const { return !stop.stop_requested(); }
};

/// `wait_for(duration, stop)` blocks the caller for that long; true when the time is over, false when
/// `stop` was requested first. Called from every thread that publishes.
template <class Type>
concept waiter = requires(Type& blocker, std::chrono::milliseconds wait, std::stop_token stop) {
  { blocker.wait_for(wait, stop) } -> std::same_as<bool>;
};

/// Blocks the calling thread, on the steady clock. Thread-safe.
struct thread_waiter {
  bool wait_for(std::chrono::milliseconds wait, const std::stop_token& stop) const {
    constexpr std::chrono::milliseconds longest_at_once =
        std::chrono::hours{24};  // so that the clock does not overflow
    std::mutex mutex;
    std::condition_variable_any never_notified;
    std::unique_lock lock{mutex};
    while (wait > std::chrono::milliseconds::zero() && !stop.stop_requested()) {
      const auto part = std::min(wait, longest_at_once);
      never_notified.wait_for(lock, stop, part, [] { return false; });
      wait -= part;
    }
    return !stop.stop_requested();
  }
};

/// Waits until `next_attempt_at`, and never longer than the backoff, so that a clock set back does not
/// hold an event up.
template <clock Clock = system_clock, waiter Waiter = thread_waiter>
class wait_until_due {
 public:
  explicit wait_until_due(Clock clock = {}, Waiter waiter = {})
      : clock_{std::move(clock)}, waiter_{std::move(waiter)} {}

  bool wait(const retry_metadata& failed, const std::stop_token& stop) {
    const auto left =
        std::clamp(failed.next_attempt_at - clock_.now(), std::chrono::milliseconds::zero(), failed.backoff);
    return waiter_.wait_for(left, stop);
  }

 private:
  Clock clock_;
  Waiter waiter_;
};

}  // namespace event_relay
