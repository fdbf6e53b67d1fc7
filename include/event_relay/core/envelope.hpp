// SPDX-License-Identifier: MIT
// What a handler is given: an event, which attempt this is, when the next one would be due, and, for a dead
// letter, the mark that no further attempt is made.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string_view>

#include "event_relay/core/event.hpp"
#include "event_relay/core/instant.hpp"

namespace event_relay {

/// Attempts are counted from 1.
using attempt_number = std::uint32_t;

/// Which of its attempts an event is in, and what follows should it fail. Known when the attempt starts.
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
  rejected,                ///< the handler answered that no attempt can succeed
  undecodable,             ///< what is stored cannot be turned into an event of the catalog
};

constexpr std::string_view wire_name(dead_letter_reason reason) {
  switch (reason) {
    case dead_letter_reason::max_attempts_exhausted: return "max-attempts-exhausted";
    case dead_letter_reason::rejected: return "rejected";
    case dead_letter_reason::undecodable: return "undecodable";
  }
  return "unknown";
}

/// The mark of an event for which no further attempt is made.
struct dead_letter_marker {
  /// Wire constant: a marked event has ended.
  static constexpr bool terminal = true;
  /// Text with static storage, e.g. "booking.created.dlq".
  std::string_view queue_name;
  dead_letter_reason reason = dead_letter_reason::max_attempts_exhausted;
  instant marked_at;

  bool operator==(const dead_letter_marker&) const = default;
};

/// What an outbox knows of an event beyond the event itself. The views are valid during the attempt.
struct outbox_context {
  /// Fencing token, higher at each claim of the event. Pass it to a receiver that must refuse the late writes
  /// of a worker which stalled past its lease.
  std::uint64_t token = 0;
  /// The id of the event that this one follows from; empty if none.
  std::string_view caused_by;
  /// The trace given when the event was appended (W3C Trace Context); empty if there was none.
  std::string_view traceparent;
  /// Which part of the host appended it; may be empty.
  std::string_view source;
  /// Requested when the attempt has taken longer than its event's maximum run time, has lost its lease, or
  /// the worker's deadline to stop has passed.
  std::stop_token stop;
};

/// One event in one attempt. It refers to the event: copy what must outlive the attempt.
template <event_type Event>
struct worker_envelope {
  using event_type = Event;

  const Event& event;
  retry_metadata retry;
  /// Absent until the event is a dead letter.
  std::optional<dead_letter_marker> dead_letter = std::nullopt;
  /// Null in the in-process relay, which has no outbox.
  const outbox_context* outbox = nullptr;
};

}  // namespace event_relay
