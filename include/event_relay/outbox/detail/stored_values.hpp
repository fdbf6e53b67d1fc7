// SPDX-License-Identifier: MIT
// What stores in databases have in common: how values are read from columns, and the sums of outcomes. A row
// is anything with `integer(column)`, `text(column)` and `optional_integer(column)`.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "event_relay/core/decision.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/queue_metrics.hpp"

namespace event_relay::detail {

// An instant is kept as milliseconds since 1970.
inline std::int64_t integer_of(instant at) { return at.time_since_epoch().count(); }
inline instant instant_of(std::int64_t milliseconds_since_1970) {
  return instant{std::chrono::milliseconds{milliseconds_since_1970}};
}
template <class Row>
std::optional<instant> optional_instant(const Row& at, int column) {
  const auto value = at.optional_integer(column);
  return value ? std::optional{instant_of(*value)} : std::nullopt;
}

// The value for LIMIT, which is a signed number of 64 bits.
inline std::int64_t row_limit(std::size_t limit) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(limit, std::numeric_limits<std::int64_t>::max()));
}

inline std::optional<dead_letter_reason> reason_of(std::string_view name) {
  for (const auto reason :
       {dead_letter_reason::max_attempts_exhausted, dead_letter_reason::rejected, dead_letter_reason::undecodable}) {
    if (name == wire_name(reason)) {
      return reason;
    }
  }
  return std::nullopt;
}

// From the columns id, name, payload, occurred_at, correlation_id, replayed, caused_by, traceparent, source
// and ordering_key, beginning at `first`.
template <class Row>
event_record record_of(const Row& at, int first) {
  return {.id = std::string{at.text(first)},
          .name = std::string{at.text(first + 1)},
          .payload = std::string{at.text(first + 2)},
          .occurred_at = instant_of(at.integer(first + 3)),
          .correlation_id = std::string{at.text(first + 4)},
          .replayed = at.integer(first + 5) != 0,
          .caused_by = std::string{at.text(first + 6)},
          .trace = std::string{at.text(first + 7)},
          .source = std::string{at.text(first + 8)},
          .ordering_key = std::string{at.text(first + 9)}};
}

// From the columns name, processed, retried and dead_lettered.
template <class Row>
outcome_counts outcomes_of(const Row& at) {
  outcome_counts counts{.name = std::string{at.text(0)},
                        .processed = static_cast<std::uint64_t>(at.integer(1)),
                        .retried = static_cast<std::uint64_t>(at.integer(2)),
                        .dead_lettered = static_cast<std::uint64_t>(at.integer(3))};
  counts.attempts = counts.processed + counts.retried + counts.dead_lettered;
  return counts;
}

/// What an exchange has settled, by name, so that each name takes one statement, instead of each event.
class outcome_sums {
 public:
  struct sums {
    std::int64_t processed = 0;
    std::int64_t retried = 0;
    std::int64_t dead_lettered = 0;
  };

  void add(std::string_view name, attempt_status status) {
    sums& of_name = by_name_[name];
    switch (status) {
      case attempt_status::processed: ++of_name.processed; break;
      case attempt_status::retry_scheduled: ++of_name.retried; break;
      case attempt_status::dead_letter: ++of_name.dead_lettered; break;
    }
  }
  auto begin() const { return by_name_.begin(); }
  auto end() const { return by_name_.end(); }

 private:
  std::map<std::string_view, sums> by_name_;
};

}  // namespace event_relay::detail
