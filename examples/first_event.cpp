// SPDX-License-Identifier: MIT
// The least there is to write: an event, a handler, a relay.
#include <cstdio>

#include <event_relay/event_relay.hpp>

using namespace event_relay;

struct booking {
  std::string id;
  std::string service;
  static constexpr auto fields =
      payload_fields(reference("bookingId", &booking::id), field("service", &booking::service));
};
using booking_created = domain_event<"booking.created", booking>;

struct booking_handler {
  void operator()(const worker_envelope<booking_created>& envelope) const {
    fmt::print("attempt {}: {} was booked\n", envelope.retry.attempt, envelope.event.payload.service);
  }
};

int main() {
  relay relay{event_catalog<booking_created>{}, booking_handler{},
              relay_options().with_sink(json_lines_sink{stream_writer{stderr}})};
  relay.publish(event_factory{}.make<booking_created>({.id = "b-1", .service = "Resort Hotel, 3 nights"}));
}
