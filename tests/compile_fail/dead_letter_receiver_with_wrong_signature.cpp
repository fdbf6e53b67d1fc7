// SPDX-License-Identifier: MIT
// expect: event_relay: the receiver of dead letters must take (const worker_envelope<Event>&, std::string_view)
#include <string>
#include <string_view>

#include <event_relay/event_relay.hpp>

namespace {

struct booking {
  std::string id;
  static constexpr auto fields = event_relay::payload_fields(event_relay::reference("bookingId", &booking::id));
};
using booking_created = event_relay::domain_event<"booking.created", booking>;

struct dead_letters {
#ifdef MUST_NOT_COMPILE
  void operator()(const event_relay::worker_envelope<booking_created>&) {}
#else
  void operator()(const event_relay::worker_envelope<booking_created>&, std::string_view) {}
#endif
};

[[maybe_unused]] void run() {
  event_relay::relay relay{event_relay::event_catalog<booking_created>{}, [](const auto&) {},
                           event_relay::relay_options().with_dead_letters(dead_letters{})};
}

}  // namespace
