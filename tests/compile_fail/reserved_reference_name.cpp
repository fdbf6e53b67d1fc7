// SPDX-License-Identifier: MIT
// expect: event_relay: a reference field has the name of a breadcrumb's own detail
#include <string>

#include <event_relay/core/payload.hpp>

namespace {

struct booking {
  std::string id;
#ifdef MUST_NOT_COMPILE
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("eventId", &booking::id));
#else
  static constexpr auto fields = event_relay::payload_fields(event_relay::field("eventId", &booking::id));
#endif
};

static_assert(event_relay::described_payload<booking>);

}  // namespace
