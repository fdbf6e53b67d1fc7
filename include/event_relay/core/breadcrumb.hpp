// SPDX-License-Identifier: MIT
// One structured log line: a step of an event's lifecycle, tied to the others by the correlation id. It
// consists of views of what the relay holds anyway, so it costs nothing until a sink reads it.
#pragma once

#include <concepts>
#include <optional>
#include <span>
#include <string_view>

#include "event_relay/core/decision.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/notification.hpp"
#include "event_relay/core/payload.hpp"

namespace event_relay {

enum class breadcrumb_status {
  started,    ///< an attempt begins; at a step of the relay, one has ended and another follows
  succeeded,  ///< the step is done
  retrying,   ///< the attempt failed, and another follows
  failed,     ///< the event is a dead letter
  warned,     ///< nothing has failed yet; `error` is the warning's text
};

constexpr std::string_view wire_name(breadcrumb_status status) {
  switch (status) {
    case breadcrumb_status::started: return "started";
    case breadcrumb_status::succeeded: return "succeeded";
    case breadcrumb_status::retrying: return "retrying";
    case breadcrumb_status::failed: return "failed";
    case breadcrumb_status::warned: return "warned";
  }
  return "unknown";
}

/// What a sink receives. It holds views: copy what must outlive the call. A detail that does not belong to
/// the step is empty or null, and a sink leaves it out.
struct breadcrumb {
  /// The part of the host that it comes from: one of the two names in the relay's options.
  std::string_view source;
  /// e.g. "booking.created.worker-consume"; static storage.
  std::string_view step;
  /// It has the form of a `correlation_id`, or is empty.
  std::string_view correlation_id;
  breadcrumb_status status = breadcrumb_status::started;

  // The details, in the order of the wire.
  /// The name of a stored event may be any text.
  std::string_view event_name = {};
  std::string_view event_id = {};
  std::span<const reference_value> references = {};
  std::optional<bool> replayed = {};
  /// What the attempt ended as, unless it succeeded.
  std::optional<attempt_status> outcome = {};
  /// What the worker reported to the relay.
  std::optional<attempt_status> worker_status = {};
  const retry_metadata* retry = nullptr;
  const dead_letter_marker* dead_letter = nullptr;
  /// The failure's text: the reason that a handler gave, or the text of what it threw. A log must escape it.
  std::string_view error = {};
  /// Only at a notification's step, which shows the notification and `references` and nothing else.
  const notification* queued = nullptr;
};

/// `record` takes one breadcrumb. It may throw: the relay counts the breadcrumb as lost and goes on, because
/// logging must neither lose nor repeat an event. **Thread safety**: called from every thread that publishes.
template <class Type>
concept breadcrumb_sink = requires(Type& sink, const breadcrumb& recorded) {
  sink.record(recorded);
};

/// The default: records nothing and costs nothing.
struct null_sink {
  void record(const breadcrumb&) const noexcept {}
};

}  // namespace event_relay
