// SPDX-License-Identifier: MIT
// expect: and returning an outcome or nothing
// expect: no_handler_for<'b', 'o', 'o', 'k', 'i', 'n', 'g', '.', 'c', 'r', 'e', 'a', 't', 'e', 'd'>
#include <string>

#include <event_relay/event_relay.hpp>

namespace {

struct booking {
  std::string id;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id));
};
using booking_created = event_relay::domain_event<"booking.created", booking>;

struct booking_handler {
#ifdef MUST_NOT_COMPILE
  bool operator()(const event_relay::worker_envelope<booking_created>&) { return true; }
#else
  event_relay::processed operator()(const event_relay::worker_envelope<booking_created>&) { return {}; }
#endif
};

[[maybe_unused]] event_relay::relay relay{event_relay::event_catalog<booking_created>{}, booking_handler{}};

}  // namespace
