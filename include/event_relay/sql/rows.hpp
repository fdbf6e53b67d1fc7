// SPDX-License-Identifier: MIT
// How values stand in columns, and what a row says of an event. A row is anything with `integer(column)`,
// `text(column)`, `optional_integer(column)` and `is_null(column)`, by the column's name.
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

namespace event_relay::sql {

/// An instant is kept as milliseconds since 1970.
inline std::int64_t integer_of(instant at) { return at.time_since_epoch().count(); }
inline std::optional<std::int64_t> integer_of(const std::optional<instant>& at) {
  return at ? std::optional{integer_of(*at)} : std::nullopt;
}
inline instant instant_of(std::int64_t milliseconds_since_1970) {
  return instant{std::chrono::milliseconds{milliseconds_since_1970}};
}
template <class Row>
instant instant_of(const Row& at, std::string_view column) {
  return instant_of(at.integer(column));
}
template <class Row>
std::optional<instant> optional_instant(const Row& at, std::string_view column) {
  const auto value = at.optional_integer(column);
  return value ? std::optional{instant_of(*value)} : std::nullopt;
}

/// The earlier one of those that there are.
inline std::optional<instant> earlier(const std::optional<instant>& one, const std::optional<instant>& other) {
  return one && other ? (std::min)(one, other) : one ? one : other;
}

/// What LIMIT takes: 64 bits with a sign.
inline std::int64_t row_limit(std::size_t limit) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(limit, (std::numeric_limits<std::int64_t>::max)()));
}

/// NULL for an empty text: the columns that may be absent hold no empty ones.
inline std::optional<std::string_view> text_or_null(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional{text};
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

template <class Row>
event_record record_of(const Row& at) {
  return {.id = std::string{at.text("id")},
          .name = std::string{at.text("name")},
          .payload = std::string{at.text("payload")},
          .occurred_at = instant_of(at, "occurred_at"),
          .correlation_id = std::string{at.text("correlation_id")},
          .replayed = at.integer("replayed") != 0,
          .caused_by = std::string{at.text("caused_by")},
          .trace = std::string{at.text("traceparent")},
          .source = std::string{at.text("source")},
          .ordering_key = std::string{at.text("ordering_key")}};
}

/// A claim's row. Of its failures `failures_kept` are there at most.
template <class Row>
claimed_event claimed_event_of(const Row& at, bool is_isolated, std::int64_t failures_kept) {
  return {.held = {at.integer("row"), static_cast<std::uint64_t>(at.integer("token"))},
          .record = record_of(at),
          .attempt = static_cast<attempt_number>(at.integer("attempt")),
          .isolated = is_isolated,
          .crashed = at.integer("crashed") != 0,
          .failures = static_cast<std::uint32_t>((std::min)(at.integer("failures"), failures_kept))};
}

/// An event to look at, without its failures.
template <class Row>
stored_event stored_event_of(const Row& at) {
  return {.record = record_of(at),
          .state = static_cast<event_state>(at.integer("state")),
          .attempts = static_cast<attempt_number>(at.integer("attempt")),
          .token = static_cast<std::uint64_t>(at.integer("token")),
          .available_at = instant_of(at, "available_at"),
          .leased_until = optional_instant(at, "leased_until"),
          .reason = reason_of(at.text("reason")),
          .dead_since = optional_instant(at, "dead_since"),
          .holds_key = at.integer("holds_key") != 0,
          .kept_until = optional_instant(at, "kept_until")};
}

template <class Row>
failure_record failure_of(const Row& at) {
  return {.attempt = static_cast<attempt_number>(at.integer("failed_attempt")),
          .at = instant_of(at, "failed_at"),
          .text = std::string{at.text("failure")}};
}

template <class Row>
outcome_counts outcomes_of(const Row& at) {
  outcome_counts counts{.name = std::string{at.text("name")},
                        .processed = static_cast<std::uint64_t>(at.integer("processed")),
                        .retried = static_cast<std::uint64_t>(at.integer("retried")),
                        .dead_lettered = static_cast<std::uint64_t>(at.integer("dead_lettered"))};
  counts.attempts = counts.processed + counts.retried + counts.dead_lettered;
  return counts;
}

/// What an exchange has settled, by name: for one statement for each name, not for each event.
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

}  // namespace event_relay::sql
