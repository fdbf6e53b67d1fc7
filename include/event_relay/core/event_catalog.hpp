// SPDX-License-Identifier: MIT
// The closed set of a host's events. The set is checked at compile time; at run time only the list of names
// exists.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>

#include "event_relay/core/event.hpp"
#include "event_relay/core/fixed_string.hpp"

namespace event_relay {

namespace detail {

template <char... Name>
struct two_events_named {
  static_assert(sizeof...(Name) == static_cast<std::size_t>(-1),
                "event_relay: two events of a catalog have the same name; it is spelled in two_events_named<...>");
};

template <char... Name>
struct event_not_in_catalog {
  static_assert(sizeof...(Name) == static_cast<std::size_t>(-1),
                "event_relay: this event is not in the catalog; its name is spelled in event_not_in_catalog<...>");
};

}  // namespace detail

/// All the events of a host. Two events of one name do not compile.
template <event_type... Events>
struct event_catalog {
  static_assert(sizeof...(Events) > 0, "event_relay: an event catalog must list at least one event");

  static constexpr std::size_t size = sizeof...(Events);
  static constexpr std::array<std::string_view, size> names{Events::name...};

  template <class Event>
  static constexpr bool contains = (std::same_as<Event, Events> || ...);

  /// Calls `visit.template operator()<Event>()` for each event, in the order of the list.
  template <class Visitor>
  static constexpr void for_each(Visitor&& visit) {
    (visit.template operator()<Events>(), ...);
  }

  /// Fails to compile, spelling the event's name, unless the catalog lists `Event`.
  template <event_type Event>
  static consteval void require() {
    if constexpr (!contains<Event>) {
      detail::spell<detail::event_not_in_catalog, Event::name_literal>();
    }
  }

 private:
  template <event_type Event>
  static consteval bool is_named_once() {
    constexpr bool once = ((std::string_view{Event::name} == Events::name ? 1 : 0) + ...) == 1;
    if constexpr (!once) {
      detail::spell<detail::two_events_named, Event::name_literal>();
    }
    return once;
  }
  static_assert((is_named_once<Events>() && ...));
};

template <class Type>
concept catalog = requires {
  []<class... Events>(event_catalog<Events...>) {}(Type{});
};

}  // namespace event_relay
