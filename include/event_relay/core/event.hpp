// SPDX-License-Identifier: MIT
// An event: what happened, to what, when, and in the course of which request. It is a value that is filled in
// once, and it holds nothing about its delivery.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <utility>

#include "event_relay/core/clock.hpp"
#include "event_relay/core/correlation_id.hpp"
#include "event_relay/core/event_name.hpp"
#include "event_relay/core/fixed_string.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/core/payload.hpp"
#include "event_relay/core/uuid.hpp"

namespace event_relay {

/// What happened, typed by its wire name and its payload:
///
///     using booking_created = event_relay::domain_event<"booking.created", booking>;
template <fixed_string Name, described_payload Payload>
struct domain_event {
  using base_event = domain_event;
  using names = event_names<Name>;
  using payload_type = Payload;
  static constexpr fixed_string name_literal = Name;
  static constexpr std::string_view name = names::name;
  static_assert(names::is_well_formed);

  /// Unique to this event, and the same each time it is published again; receivers deduplicate by it.
  std::string id;
  /// When the thing happened, not when the event was published.
  instant occurred_at;
  correlation_id correlation;
  /// Whether the event repeats one that was published before.
  bool replayed = false;
  Payload payload;
};

/// A `domain_event`, or a type derived from one (which compilers then name in their messages).
template <class Type>
concept event_type = requires(const Type& event) {
  []<fixed_string Name, class Payload>(const domain_event<Name, Payload>&) {}(event);
};

/// Makes events of the host's payloads, with an id and an instant from the injected sources. As thread-safe
/// as its clock and its ids; the defaults are.
template <clock Clock = system_clock, id_source Ids = process_ids>
class event_factory {
 public:
  explicit event_factory(Clock clock = {}, Ids ids = {}) : clock_{std::move(clock)}, ids_{std::move(ids)} {}

  /// An event that happens now, as part of the request that `correlation` names.
  template <event_type Event>
  Event make(typename Event::payload_type payload, correlation_id correlation) {
    return Event{typename Event::base_event{.id = ids_.next_id(),
                                            .occurred_at = clock_.now(),
                                            .correlation = std::move(correlation),
                                            .replayed = false,
                                            .payload = std::move(payload)}};
  }

  /// The same, as the start of a request of its own: with a new correlation id.
  template <event_type Event>
  Event make(typename Event::payload_type payload) {
    return make<Event>(std::move(payload), correlation_id::generate(ids_));
  }

 private:
  Clock clock_;
  Ids ids_;
};

}  // namespace event_relay
