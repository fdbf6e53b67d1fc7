// SPDX-License-Identifier: MIT
// expect: event_relay: the handler has no overload for an event of the catalog
// expect: no_handler_for<'b', 'o', 'o', 'k', 'i', 'n', 'g', '.', 'd', 'e', 'c', 'l', 'i', 'n', 'e', 'd'>
#include <string>
#include <string_view>

#include <event_relay/event_relay.hpp>
#include <event_relay/outbox/outbox.hpp>
#include <event_relay/outbox/worker.hpp>
#include <event_relay/testing/memory_store.hpp>

namespace {

struct booking {
  std::string id;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id));
};
using booking_created = event_relay::domain_event<"booking.created", booking>;
using booking_declined = event_relay::domain_event<"booking.declined", booking>;
using booking_events = event_relay::event_catalog<booking_created, booking_declined>;

struct id_codec {
  std::string encode(const booking& payload) const { return payload.id; }
  template <class Payload>
  Payload decode(std::string_view text) const {
    return {std::string{text}};
  }
};

struct booking_handler {
  void operator()(const event_relay::worker_envelope<booking_created>&) {}
#ifndef MUST_NOT_COMPILE
  void operator()(const event_relay::worker_envelope<booking_declined>&) {}
#endif
};

[[maybe_unused]] void run() {
  event_relay::testing::memory_store store;
  event_relay::outbox outbox{booking_events{}, store, id_codec{}};
  event_relay::worker worker{outbox, booking_handler{}};
}

}  // namespace
