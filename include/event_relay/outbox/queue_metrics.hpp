// SPDX-License-Identifier: MIT
// The numbers of an outbox for monitoring, and a readiness that follows from them.
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

/// What became of the attempts on events of one name, since the outbox was made.
struct outcome_counts {
  std::string name;
  /// The attempts whose end was stored.
  std::uint64_t attempts = 0;
  std::uint64_t processed = 0;
  std::uint64_t retried = 0;
  std::uint64_t dead_lettered = 0;

  bool operator==(const outcome_counts&) const = default;
};

/// An outbox at one instant.
struct queue_metrics {
  instant at;
  /// Events that may be claimed now.
  std::uint64_t ready = 0;
  /// Events that wait until they are due.
  std::uint64_t scheduled = 0;
  std::uint64_t leased = 0;
  std::uint64_t orphans = 0;
  /// Events that wait for an earlier one of their key.
  std::uint64_t blocked = 0;
  std::uint64_t dead_letters = 0;
  /// Keys that a dead letter holds.
  std::uint64_t held_keys = 0;
  /// How long the oldest ready event has waited; absent if none is ready.
  std::optional<std::chrono::milliseconds> oldest_lag = std::nullopt;
  /// In the order of their names.
  std::vector<outcome_counts> outcomes = {};

  /// How many events have not ended.
  constexpr std::uint64_t depth() const { return ready + scheduled + leased + orphans + blocked; }

  bool operator==(const queue_metrics&) const = default;
};

/// `metrics()` is cheap enough to be called every second. **Errors**: `store_error`. Thread-safe.
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

/// The readiness is that of the highest value that is reached. A `critical` below `watch` counts as equal to
/// `watch`.
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
  /// Compared with the larger of `depth()` and `ready`.
  threshold<std::uint64_t> depth{10, 50};
};

/// The worst of the readiness of lag, dead letters and depth.
inline readiness readiness_of(const queue_metrics& metrics, const readiness_thresholds& thresholds = {}) {
  return std::max({thresholds.lag.of(metrics.oldest_lag.value_or(std::chrono::milliseconds{0})),
                   thresholds.dead_letters.of(metrics.dead_letters),
                   thresholds.depth.of(std::max(metrics.depth(), metrics.ready))});
}

}  // namespace event_relay
