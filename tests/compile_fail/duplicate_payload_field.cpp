// SPDX-License-Identifier: MIT
// expect: event_relay: two payload fields have the same name
// expect: bookingId
#include <string>

#include <event_relay/core/payload.hpp>

namespace {

struct booking {
  std::string id;
  std::string service;
#ifdef MUST_NOT_COMPILE
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id),
                                                             event_relay::field("bookingId", &booking::service));
#else
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id),
                                                             event_relay::field("service", &booking::service));
#endif
};

static_assert(event_relay::described_payload<booking>);

}  // namespace
