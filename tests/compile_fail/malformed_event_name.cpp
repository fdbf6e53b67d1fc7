// SPDX-License-Identifier: MIT
// expect: event_relay: an event's name must be lower-case dotted words
// expect: malformed_event_name<'B', 'o', 'o', 'k', 'i', 'n', 'g', '.', 'c', 'r', 'e', 'a', 't', 'e', 'd'>
#include <string>

#include <event_relay/core/event.hpp>

namespace {

struct booking {
  std::string id;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id));
};
#ifdef MUST_NOT_COMPILE
using booking_created = event_relay::domain_event<"Booking.created", booking>;
#else
using booking_created = event_relay::domain_event<"booking.created", booking>;
#endif

static_assert(!booking_created::name.empty());

}  // namespace
