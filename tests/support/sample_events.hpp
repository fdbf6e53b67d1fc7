// SPDX-License-Identifier: MIT
// Three small events for the tests of the core, and how to make one whose id, instant and correlation are known.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "event_relay/core/correlation_id.hpp"
#include "event_relay/core/event.hpp"
#include "event_relay/core/event_catalog.hpp"
#include "event_relay/core/instant.hpp"

namespace event_relay_test {

/// One reference, a text, and one field that breadcrumbs leave out.
struct sample_booking {
  std::string id = "booking-1";
  std::string service = "cleaning";

  static constexpr auto fields =
      event_relay::payload_fields(event_relay::reference("bookingId", &sample_booking::id),
                                  event_relay::field("requestedService", &sample_booking::service));
};

/// Two references, a text and a number.
struct sample_payment {
  std::string id = "payment-1";
  std::int64_t invoice = 42;

  static constexpr auto fields =
      event_relay::payload_fields(event_relay::reference("paymentId", &sample_payment::id),
                                  event_relay::reference("invoice", &sample_payment::invoice));
};

using booking_created = event_relay::domain_event<"booking.created", sample_booking>;
using booking_accepted = event_relay::domain_event<"booking.accepted", sample_booking>;
using payment_captured = event_relay::domain_event<"payment.captured", sample_payment>;
using sample_events = event_relay::event_catalog<booking_created, booking_accepted, payment_captured>;

/// 2026-03-20T10:00:00.000Z.
inline constexpr event_relay::instant sample_instant{std::chrono::milliseconds{1'774'000'800'000}};
static_assert(event_relay::parse_iso8601("2026-03-20T10:00:00.000Z") == sample_instant);

template <class Event = booking_created>
Event sample_event(std::string id = "evt-1", typename Event::payload_type payload = {},
                   const std::string& correlation = "corr-1") {
  return Event{.id = std::move(id),
               .occurred_at = sample_instant,
               .correlation = event_relay::correlation_id::parse(correlation).value(),
               .replayed = false,
               .payload = std::move(payload)};
}

}  // namespace event_relay_test
