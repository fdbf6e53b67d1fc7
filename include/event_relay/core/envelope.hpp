// SPDX-License-Identifier: MIT
// An event on its way: the event itself, which attempt this is and when the next would be, and the mark
// that ends the journey of one that could not be delivered. What the handler is given.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "event_relay/core/event.hpp"
#include "event_relay/core/instant.hpp"

namespace event_relay {

/// Attempts are counted from 1.
using attempt_number = std::uint32_t;

/// Where an event stands between its first attempt and its last. Known from the attempt's start.
struct retry_metadata {
  /// The wire name of the rule that `backoff` comes from; text with static storage.
  std::string_view strategy;
  attempt_number attempt = 1;
  /// An attempt beyond this still runs, and its failure is final.
  attempt_number max_attempts = 1;
  /// How long to wait after this attempt, should it fail.
  std::chrono::milliseconds backoff{0};
  /// `backoff` after the attempt's start.
  instant next_attempt_at;

  bool operator==(const retry_metadata&) const = default;
};

/// Why an event became a dead letter.
enum class dead_letter_reason {
  max_attempts_exhausted,  ///< its last attempt failed, or asked for one more
  rejected,                ///< the handler said that no attempt can succeed
};

constexpr std::string_view wire_name(dead_letter_reason reason) {
  switch (reason) {
    case dead_letter_reason::max_attempts_exhausted: return "max-attempts-exhausted";
    case dead_letter_reason::rejected: return "rejected";
  }
  return "unknown";
}

/// The mark of an event that no further attempt is made for.
struct dead_letter_marker {
  /// Wire constant: a marked event has ended.
  static constexpr bool terminal = true;
  /// Text with static storage, e.g. "booking.created.dlq".
  std::string_view queue_name;
  dead_letter_reason reason = dead_letter_reason::max_attempts_exhausted;
  instant marked_at;

  bool operator==(const dead_letter_marker&) const = default;
};

/// One event in one attempt. It refers to the event: copy what shall outlive the attempt.
template <event_type Event>
struct worker_envelope {
  using event_type = Event;

  const Event& event;
  retry_metadata retry;
  /// Absent until the event is a dead letter.
  std::optional<dead_letter_marker> dead_letter;
};

}  // namespace event_relay
