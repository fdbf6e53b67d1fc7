// SPDX-License-Identifier: MIT
// What follows from each event: the customer is notified of a booking that was created, declined or
// completed; nobody is of one that was accepted, or of a payment.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <event_relay/event_relay.hpp>

#include "events.hpp"

namespace bookings {

/// The words of this service's notifications.
struct customer_copy {
  std::string subject(std::string_view event_name, const booking_details& booking) const {
    return fmt::format("Your booking of {}: {}", booking.requested_service, news(event_name));
  }

  std::string body(std::string_view event_name, event_relay::notification_channel,
                   const booking_details& booking) const {
    return fmt::format("{} is {}.", booking.requested_service, news(event_name));
  }

 private:
  static std::string_view news(std::string_view event_name) {
    if (event_name == booking_created::name) {
      return "received";
    }
    return event_name == booking_declined::name ? "declined" : "completed";
  }
};

/// One overload an event: leave one out, and the relay does not compile.
template <class Copy = customer_copy>
class booking_handler {
 public:
  explicit booking_handler(Copy copy = {}) : copy_{std::move(copy)} {}

  event_relay::outcome operator()(const event_relay::worker_envelope<booking_created>& envelope) const {
    return notify(envelope);
  }
  event_relay::outcome operator()(const event_relay::worker_envelope<booking_declined>& envelope) const {
    return notify(envelope);
  }
  event_relay::outcome operator()(const event_relay::worker_envelope<booking_completed>& envelope) const {
    return notify(envelope);
  }
  void operator()(const event_relay::worker_envelope<booking_accepted>&) const {}
  void operator()(const event_relay::worker_envelope<payment_captured>&) const {}

 private:
  template <class Event>
  event_relay::outcome notify(const event_relay::worker_envelope<Event>& envelope) const {
    using event_relay::notification_channel;
    const booking_details& booking = envelope.event.payload;
    return event_relay::processed{
        event_relay::email(booking.customer_user_id, copy_.subject(Event::name, booking),
                           copy_.body(Event::name, notification_channel::email, booking)),
        event_relay::push(booking.customer_user_id, copy_.body(Event::name, notification_channel::push, booking))};
  }

  Copy copy_;
};

}  // namespace bookings
