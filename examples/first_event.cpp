// SPDX-License-Identifier: MIT
// The least there is to write: an event, a handler, a relay.
#include <cstdio>

#include <event_relay/event_relay.hpp>

struct booking {
  std::string id;
  std::string service;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id),
                                                             event_relay::field("service", &booking::service));
};
using booking_created = event_relay::domain_event<"booking.created", booking>;
using booking_events = event_relay::event_catalog<booking_created>;

struct booking_handler {
  void operator()(const event_relay::worker_envelope<booking_created>& envelope) const {
    fmt::print("attempt {}: {} was booked\n", envelope.retry.attempt, envelope.event.payload.service);
  }
};

int main() {
  event_relay::relay relay{
      booking_events{}, booking_handler{},
      event_relay::relay_options().with_sink(event_relay::json_lines_sink{event_relay::stream_writer{stderr}})};
  relay.publish(event_relay::event_factory{}.make<booking_created>({.id = "b-1", .service = "Resort Hotel, 3 nights"}));
}
