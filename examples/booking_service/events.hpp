// SPDX-License-Identifier: MIT
// The five events of the booking service: what it tells the world, and in which words. Start here when you
// copy the example; everything else in the folder is built around this list.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <event_relay/event_relay.hpp>
#include <event_relay/outbox/notification_events.hpp>

namespace bookings {

/// A booking as it stood when the event happened.
struct booking_details {
  std::string booking_id;
  std::string customer_user_id;
  std::string requested_service;
  std::string status;
  std::optional<std::string> customer_location = std::nullopt;
  std::optional<std::string> provider_user_id = std::nullopt;
  std::optional<std::string> decline_reason = std::nullopt;

  static constexpr auto fields =
      event_relay::payload_fields(event_relay::reference("bookingId", &booking_details::booking_id),
                                  event_relay::field("customerUserId", &booking_details::customer_user_id),
                                  event_relay::field("requestedService", &booking_details::requested_service),
                                  event_relay::field("status", &booking_details::status),
                                  event_relay::field("customerLocation", &booking_details::customer_location),
                                  event_relay::field("providerUserId", &booking_details::provider_user_id),
                                  event_relay::field("declineReason", &booking_details::decline_reason));
};

/// A payment that was captured.
struct payment_details {
  std::string payment_id;
  std::string booking_id;
  std::string customer_user_id;
  std::string provider_user_id;
  std::int64_t amount_cents = 0;
  std::string currency;
  std::string status;

  static constexpr auto fields =
      event_relay::payload_fields(event_relay::reference("paymentId", &payment_details::payment_id),
                                  event_relay::reference("bookingId", &payment_details::booking_id),
                                  event_relay::field("customerUserId", &payment_details::customer_user_id),
                                  event_relay::field("providerUserId", &payment_details::provider_user_id),
                                  event_relay::field("amountCents", &payment_details::amount_cents),
                                  event_relay::field("currency", &payment_details::currency),
                                  event_relay::field("status", &payment_details::status));
};

using booking_created = event_relay::domain_event<"booking.created", booking_details>;
using booking_accepted = event_relay::domain_event<"booking.accepted", booking_details>;
using booking_declined = event_relay::domain_event<"booking.declined", booking_details>;
using booking_completed = event_relay::domain_event<"booking.completed", booking_details>;
using payment_captured = event_relay::domain_event<"payment.captured", payment_details>;

using booking_events = event_relay::event_catalog<booking_created, booking_accepted, booking_declined,
                                                  booking_completed, payment_captured>;

/// What its outbox carries: the same, and the notifications that follow from them.
using outbox_events =
    event_relay::event_catalog<booking_created, booking_accepted, booking_declined, booking_completed, payment_captured,
                               event_relay::email_notification, event_relay::push_notification>;

}  // namespace bookings
