// SPDX-License-Identifier: MIT
// expect: event_relay: the handler has no overload for an event of the catalog
// expect: no_handler_for<'b', 'o', 'o', 'k', 'i', 'n', 'g', '.', 'd', 'e', 'c', 'l', 'i', 'n', 'e', 'd'>
#include <string>

#include <event_relay/event_relay.hpp>

namespace {

struct booking {
  std::string id;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id));
};
using booking_created = event_relay::domain_event<"booking.created", booking>;
using booking_declined = event_relay::domain_event<"booking.declined", booking>;
using booking_events = event_relay::event_catalog<booking_created, booking_declined>;

struct booking_handler {
  void operator()(const event_relay::worker_envelope<booking_created>&) {}
#ifndef MUST_NOT_COMPILE
  void operator()(const event_relay::worker_envelope<booking_declined>&) {}
#endif
};

[[maybe_unused]] event_relay::relay relay{booking_events{}, booking_handler{}};

}  // namespace
