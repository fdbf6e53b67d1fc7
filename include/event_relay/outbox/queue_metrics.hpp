// SPDX-License-Identifier: MIT
// Numbers that tell whether all is well, and the word for it.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/store.hpp"

namespace event_relay {

/// Of the events of one name, since the outbox was made.
struct outcome_counts {
  std::string name;
  /// Those whose end was stored.
  std::uint64_t attempts = 0;
  std::uint64_t processed = 0;
  std::uint64_t retried = 0;
  std::uint64_t dead_lettered = 0;

  bool operator==(const outcome_counts&) const = default;
};

/// An outbox at one instant.
struct queue_metrics {
  instant at;
  /// May be claimed now.
  std::uint64_t ready = 0;
  /// Wait for their instant.
  std::uint64_t scheduled = 0;
  std::uint64_t leased = 0;
  std::uint64_t orphans = 0;
  /// Wait for an earlier event of their key.
  std::uint64_t blocked = 0;
  std::uint64_t dead_letters = 0;
  /// Keys that a dead letter holds.
  std::uint64_t held_keys = 0;
  /// How long the oldest ready event has waited; absent if none is ready.
  std::optional<std::chrono::milliseconds> oldest_lag = std::nullopt;
  /// By name.
  std::vector<outcome_counts> outcomes = {};

  /// All that has not ended.
  constexpr std::uint64_t depth() const { return ready + scheduled + leased + orphans + blocked; }

  bool operator==(const queue_metrics&) const = default;
};

/// `metrics()` is cheap enough to be asked every second. **Errors**: `store_error`. Thread-safe.
template <class Store>
concept metrics_store = event_store<Store> && requires(Store& store) {
  { store.metrics() } -> std::same_as<queue_metrics>;
};

enum class readiness { good, watch, critical };

constexpr std::string_view wire_name(readiness state) {
  switch (state) {
    case readiness::good: return "good";
    case readiness::watch: return "watch";
    case readiness::critical: return "critical";
  }
  return "unknown";
}

/// At or above it. A critical that is below its watch counts as equal to it.
template <class Value>
struct threshold {
  Value watch;
  Value critical;

  constexpr readiness of(Value value) const {
    return value >= std::max(watch, critical) ? readiness::critical
           : value >= watch                   ? readiness::watch
                                              : readiness::good;
  }
};

struct readiness_thresholds {
  threshold<std::chrono::milliseconds> lag{std::chrono::seconds{15}, std::chrono::seconds{60}};
  threshold<std::uint64_t> dead_letters{1, 5};
  /// Of the larger of what has not ended and what is due.
  threshold<std::uint64_t> depth{10, 50};
};

/// The worst of the three.
inline readiness readiness_of(const queue_metrics& metrics, const readiness_thresholds& thresholds = {}) {
  return std::max({thresholds.lag.of(metrics.oldest_lag.value_or(std::chrono::milliseconds{0})),
                   thresholds.dead_letters.of(metrics.dead_letters),
                   thresholds.depth.of(std::max(metrics.depth(), metrics.ready))});
}

}  // namespace event_relay
