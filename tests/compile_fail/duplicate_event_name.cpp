// SPDX-License-Identifier: MIT
// expect: event_relay: two events of a catalog have the same name
// expect: two_events_named<'b', 'o', 'o', 'k', 'i', 'n', 'g', '.', 'c', 'r', 'e', 'a', 't', 'e', 'd'>
#include <string>

#include <event_relay/core/event_catalog.hpp>

namespace {

struct booking {
  std::string id;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id));
};
using booking_created = event_relay::domain_event<"booking.created", booking>;
#ifdef MUST_NOT_COMPILE
struct booking_made : event_relay::domain_event<"booking.created", booking> {};
#else
struct booking_made : event_relay::domain_event<"booking.made", booking> {};
#endif

static_assert(event_relay::event_catalog<booking_created, booking_made>::size == 2);

}  // namespace
