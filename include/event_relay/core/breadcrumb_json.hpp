// SPDX-License-Identifier: MIT
// A breadcrumb as one JSON object, piece by piece into a buffer: names that the library made are appended as
// they are, text from outside is escaped. The sink adds the line end, and the timestamp if there is one.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include <fmt/format.h>

#include "event_relay/core/breadcrumb.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/core/json_text.hpp"
#include "event_relay/core/notification.hpp"
#include "event_relay/core/payload.hpp"

namespace event_relay {

namespace detail {

template <class Buffer, std::integral Number>
void append_number(Buffer& out, Number value) {
  const fmt::format_int digits{value};
  append(out, {digits.data(), digits.size()});
}

template <class Buffer>
void append_references(Buffer& out, std::span<const reference_value> references) {
  for (const reference_value& each : references) {
    out.push_back(',');
    append_json_string(out, each.name);
    out.push_back(':');
    if (const auto* text = std::get_if<std::string_view>(&each.value)) {
      append_json_string(out, *text);
    } else {
      append_number(out, std::get<std::int64_t>(each.value));
    }
  }
}

}  // namespace detail

/// {"strategy":...,"attempt":...,"maxAttempts":...,"backoffMs":...,"nextAttemptAt":...}
template <class Buffer>
void append_json(Buffer& out, const retry_metadata& retry) {
  detail::append(out, R"({"strategy":)");
  append_json_string(out, retry.strategy);
  detail::append(out, R"(,"attempt":)");
  detail::append_number(out, retry.attempt);
  detail::append(out, R"(,"maxAttempts":)");
  detail::append_number(out, retry.max_attempts);
  detail::append(out, R"(,"backoffMs":)");
  detail::append_number(out, retry.backoff.count());
  detail::append(out, R"(,"nextAttemptAt":")");
  detail::append(out, iso8601_text{retry.next_attempt_at});
  detail::append(out, R"("})");
}

/// {"terminal":true,"queueName":...,"reason":...,"markedAt":...}
template <class Buffer>
void append_json(Buffer& out, const dead_letter_marker& marker) {
  static_assert(dead_letter_marker::terminal);
  detail::append(out, R"({"terminal":true,"queueName":")");
  detail::append(out, marker.queue_name);
  detail::append(out, R"(","reason":")");
  detail::append(out, wire_name(marker.reason));
  detail::append(out, R"(","markedAt":")");
  detail::append(out, iso8601_text{marker.marked_at});
  detail::append(out, R"("})");
}

/// {"channel":...,"recipientUserId":...,<references>,"correlationId":...,"subject":...,"body":...,"queuedAt":...}
template <class Buffer>
void append_json(Buffer& out, const notification& queued, std::span<const reference_value> references) {
  detail::append(out, R"({"channel":")");
  detail::append(out, wire_name(queued.content.channel));
  detail::append(out, R"(","recipientUserId":)");
  append_json_string(out, queued.content.recipient);
  detail::append_references(out, references);
  detail::append(out, R"(,"correlationId":")");
  detail::append(out, queued.correlation.view());
  if (queued.content.subject) {
    detail::append(out, R"(","subject":)");
    append_json_string(out, *queued.content.subject);
    detail::append(out, R"(,"body":)");
  } else {
    detail::append(out, R"(","body":)");
  }
  append_json_string(out, queued.content.body);
  detail::append(out, R"(,"queuedAt":")");
  detail::append(out, iso8601_text{queued.queued_at});
  detail::append(out, R"("})");
}

namespace detail {

// The details of every step of an event but a notification's: `eventId`, and whatever else the step has.
template <class Buffer>
void append_event_details(Buffer& out, const breadcrumb& recorded) {
  if (!recorded.event_name.empty()) {
    append(out, R"("eventName":)");
    append_json_string(out, recorded.event_name);
    out.push_back(',');
  }
  append(out, R"("eventId":)");
  append_json_string(out, recorded.event_id);
  append_references(out, recorded.references);
  if (recorded.replayed) {
    append(out, *recorded.replayed ? R"(,"replayed":true)" : R"(,"replayed":false)");
  }
  if (recorded.outcome) {
    append(out, R"(,"outcome":")");
    append(out, wire_name(*recorded.outcome));
    out.push_back('"');
  }
  if (recorded.worker_status) {
    append(out, R"(,"workerStatus":")");
    append(out, wire_name(*recorded.worker_status));
    append(out, R"(","workerCorrelationId":")");
    append(out, recorded.correlation_id);
    out.push_back('"');
  }
  if (recorded.retry != nullptr) {
    append(out, R"(,"retry":)");
    append_json(out, *recorded.retry);
  }
  if (recorded.dead_letter != nullptr) {
    append(out, R"(,"dlq":)");
    append_json(out, *recorded.dead_letter);
  }
  if (!recorded.error.empty()) {
    append(out, R"(,"error":)");
    append_json_string(out, recorded.error);
  }
}

// The details of a worker's step that belongs to no event: an `error`, or none.
template <class Buffer>
void append_worker_details(Buffer& out, const breadcrumb& recorded) {
  if (!recorded.error.empty()) {
    append(out, R"("error":)");
    append_json_string(out, recorded.error);
  }
}

}  // namespace detail

/// {["timestamp":...,]"source":...,"event":...,"correlationId":...,"status":...,"details":{...}}
template <class Buffer>
void append_json(Buffer& out, const breadcrumb& recorded, const std::optional<instant>& timestamp = std::nullopt) {
  out.push_back('{');
  if (timestamp) {
    detail::append(out, R"("timestamp":")");
    detail::append(out, iso8601_text{*timestamp});
    detail::append(out, R"(",)");
  }
  detail::append(out, R"("source":)");
  append_json_string(out, recorded.source);
  detail::append(out, R"(,"event":")");
  detail::append(out, recorded.step);
  detail::append(out, R"(","correlationId":")");
  detail::append(out, recorded.correlation_id);
  detail::append(out, R"(","status":")");
  detail::append(out, wire_name(recorded.status));
  if (recorded.queued != nullptr) {
    detail::append(out, R"(","details":{"notification":)");
    append_json(out, *recorded.queued, recorded.references);
  } else {
    detail::append(out, R"(","details":{)");
    const bool is_of_no_event = recorded.event_id.empty() && recorded.event_name.empty() && recorded.retry == nullptr;
    is_of_no_event ? detail::append_worker_details(out, recorded) : detail::append_event_details(out, recorded);
  }
  detail::append(out, "}}");
}

}  // namespace event_relay
