// SPDX-License-Identifier: MIT
// What follows from an attempt, as pure functions without I/O, clock or state. Every driver (the in-process
// relay, the durable worker) calls them and carries out the decision.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "event_relay/core/backoff.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/core/outcome.hpp"
#include "event_relay/core/random.hpp"

namespace event_relay {

/// An event's status after an attempt.
enum class attempt_status {
  processed,        ///< final
  retry_scheduled,  ///< another attempt follows
  dead_letter,      ///< final: no further attempt is made
};

constexpr std::string_view wire_name(attempt_status status) {
  switch (status) {
    case attempt_status::processed: return "processed";
    case attempt_status::retry_scheduled: return "retry-scheduled";
    case attempt_status::dead_letter: return "dead-letter";
  }
  return "unknown";
}

/// What follows from an attempt.
struct decision {
  attempt_status status = attempt_status::processed;
  retry_metadata retry;
  /// Present exactly when `status` is dead_letter.
  std::optional<dead_letter_marker> dead_letter;
  /// The failure's text; empty where there is none.
  std::string error;

  bool operator==(const decision&) const = default;
};

/// What is known when an attempt starts: its number, how long to wait should it fail, and when the next one
/// would then be due.
template <backoff_policy Backoff, random_source Random>
constexpr retry_metadata plan_attempt(attempt_number attempt, attempt_number max_attempts, const Backoff& backoff,
                                      instant now, Random& random) {
  const std::chrono::milliseconds wait = backoff.delay(attempt, random);
  return {.strategy = Backoff::strategy_name.view(),
          .attempt = attempt,
          .max_attempts = max_attempts,
          .backoff = wait,
          .next_attempt_at = saturating_add(now, wait)};
}

/// The decision that no further attempt is made, for `reason`.
inline decision decide_dead_letter(const retry_metadata& planned, dead_letter_reason reason, std::string error,
                                   std::string_view dead_letter_queue, instant now) {
  return {attempt_status::dead_letter, planned, dead_letter_marker{dead_letter_queue, reason, now}, std::move(error)};
}

/// What follows from `result`. `planned` is the attempt's plan, `now` its start, `dead_letter_queue` the
/// event's queue name (static storage). A failure of the last attempt, or of one beyond it, is final; success
/// never depends on the attempt's number. A handler's own delay replaces the planned wait, and a negative one
/// counts as 0.
inline decision decide(const retry_metadata& planned, outcome result, std::string_view dead_letter_queue, instant now) {
  if (std::holds_alternative<processed>(result)) {
    return {attempt_status::processed, planned, std::nullopt, {}};
  }
  if (auto* rejection = std::get_if<reject>(&result)) {
    return decide_dead_letter(planned, dead_letter_reason::rejected, std::move(rejection->reason), dead_letter_queue,
                              now);
  }
  retry failure = result.valueless_by_exception() ? retry{"the handler's outcome holds nothing"}
                                                  : std::get<retry>(std::move(result));
  if (planned.attempt >= planned.max_attempts) {
    return decide_dead_letter(planned, dead_letter_reason::max_attempts_exhausted, std::move(failure.reason),
                              dead_letter_queue, now);
  }
  decision again{attempt_status::retry_scheduled, planned, std::nullopt, std::move(failure.reason)};
  if (failure.delay) {
    again.retry.strategy = "handler-delay";
    again.retry.backoff = std::max(*failure.delay, std::chrono::milliseconds::zero());
    again.retry.next_attempt_at = saturating_add(now, again.retry.backoff);
  }
  return again;
}

}  // namespace event_relay
