// SPDX-License-Identifier: MIT
// The result of a worker's run, in numbers.
#pragma once

#include <cstdint>

namespace event_relay {

/// What a worker did. An attempt is counted when its end is stored.
struct worker_report {
  std::uint64_t processed = 0;
  std::uint64_t retried = 0;
  std::uint64_t dead_lettered = 0;
  /// Attempts whose end was not stored, because their lease had expired and another worker may have the
  /// event.
  std::uint64_t stale_settles = 0;
  /// Events that were claimed, and released without an attempt.
  std::uint64_t released = 0;
  /// Attempts that still ran when the deadline to stop had passed.
  std::uint64_t left_running = 0;
  /// Attempts whose end was not stored when the worker ended; their leases will expire.
  std::uint64_t left_unsettled = 0;
  /// How many breadcrumbs were lost because the sink threw.
  std::uint64_t lost_breadcrumbs = 0;

  worker_report& operator+=(const worker_report& other) {
    processed += other.processed;
    retried += other.retried;
    dead_lettered += other.dead_lettered;
    stale_settles += other.stale_settles;
    released += other.released;
    left_running += other.left_running;
    left_unsettled += other.left_unsettled;
    lost_breadcrumbs += other.lost_breadcrumbs;
    return *this;
  }
  bool operator==(const worker_report&) const = default;
};

}  // namespace event_relay
