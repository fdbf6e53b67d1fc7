// SPDX-License-Identifier: MIT
// expect: described_payload
// expect: constraints not satisfied
#include <string>

#include <event_relay/core/event.hpp>

namespace {

struct booking {
  std::string id;
#ifndef MUST_NOT_COMPILE
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id));
#endif
};
using booking_created = event_relay::domain_event<"booking.created", booking>;

static_assert(booking_created::name == "booking.created");

}  // namespace
