// SPDX-License-Identifier: MIT
// expect: event_relay: the handler has no overload for an event of the catalog
// expect: no_handler_for<'b', 'o', 'o', 'k', 'i', 'n', 'g', '.', 'c', 'r', 'e', 'a', 't', 'e', 'd'>
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

struct id_codec {
  std::string encode(const booking& payload) const { return payload.id; }
  template <class Payload>
  Payload decode(std::string_view text) const {
    return {std::string{text}};
  }
};

#ifdef MUST_NOT_COMPILE
struct transaction {};  // another store's
#else
using transaction = event_relay::testing::memory_store::transaction;
#endif

struct booking_handler {
  auto operator()(const event_relay::worker_envelope<booking_created>&) {
    return event_relay::settled_with{[](transaction&) {}};
  }
};

[[maybe_unused]] void run() {
  event_relay::testing::memory_store store;
  event_relay::outbox outbox{event_relay::event_catalog<booking_created>{}, store, id_codec{}};
  event_relay::worker worker{outbox, booking_handler{}};
}

}  // namespace
