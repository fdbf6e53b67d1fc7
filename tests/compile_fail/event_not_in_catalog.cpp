// SPDX-License-Identifier: MIT
// expect: event_relay: this event is not in the catalog
// expect: event_not_in_catalog<'b', 'o', 'o', 'k', 'i', 'n', 'g', '.', 'd', 'e', 'c', 'l', 'i', 'n', 'e', 'd'>
#include <string>

#include <event_relay/event_relay.hpp>

namespace {

struct booking {
  std::string id;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id));
};
using booking_created = event_relay::domain_event<"booking.created", booking>;
using booking_declined = event_relay::domain_event<"booking.declined", booking>;
#ifdef MUST_NOT_COMPILE
using booking_events = event_relay::event_catalog<booking_created>;
#else
using booking_events = event_relay::event_catalog<booking_created, booking_declined>;
#endif

[[maybe_unused]] void publish_one() {
  event_relay::relay relay{booking_events{}, [](const auto&) {}};
  relay.publish(event_relay::event_factory<>{}.make<booking_declined>({"B-1"}));
}

}  // namespace
