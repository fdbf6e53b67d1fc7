// SPDX-License-Identifier: MIT
// expect: event_relay: this event is not in the catalog
// expect: event_not_in_catalog<'b', 'o', 'o', 'k', 'i', 'n', 'g', '.', 'd', 'e', 'c', 'l', 'i', 'n', 'e', 'd'>
#include <string>
#include <string_view>

#include <event_relay/event_relay.hpp>
#include <event_relay/outbox/outbox.hpp>
#include <event_relay/testing/memory_store.hpp>

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

struct id_codec {
  std::string encode(const booking& payload) const { return payload.id; }
  template <class Payload>
  Payload decode(std::string_view text) const {
    return {std::string{text}};
  }
};

[[maybe_unused]] void append_one() {
  event_relay::testing::memory_store store;
  event_relay::testing::memory_store::host_transaction host{store};
  event_relay::outbox outbox{booking_events{}, store, id_codec{}};
  outbox.append(host, event_relay::event_factory<>{}.make<booking_declined>({"B-1"}));
}

}  // namespace
