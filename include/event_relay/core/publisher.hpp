// SPDX-License-Identifier: MIT
// A publisher is what a host's service gives its events to. The relay is one; so are a log of the events, and
// several publishers in sequence. A service needs to know no more than this concept.
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <tuple>
#include <utility>

#include "event_relay/core/breadcrumb.hpp"
#include "event_relay/core/breadcrumb_trail.hpp"
#include "event_relay/core/event.hpp"
#include "event_relay/core/event_catalog.hpp"
#include "event_relay/core/relay_options.hpp"

namespace event_relay {

template <class Type, class Event>
concept publisher_of = event_type<Event> && requires(Type& target, const Event& event) {
  target.publish(event);
};

namespace detail {

template <class Type, class Catalog>
inline constexpr bool publishes_all = false;
template <class Type, class... Events>
inline constexpr bool publishes_all<Type, event_catalog<Events...>> = (publisher_of<Type, Events> && ...);

template <class Event, class... Publishers>
concept published_by = (publisher_of<Publishers, Event> && ...);

}  // namespace detail

/// `publish(event)` takes every event of the catalog. What it returns, and whether it may throw, wait or
/// repeat itself, is up to the publisher.
template <class Type, class Catalog>
concept publisher = detail::publishes_all<Type, Catalog>;

/// Leaves the breadcrumb of an event's emission and does nothing else; a sink that throws is ignored.
/// As thread-safe as its sink.
template <breadcrumb_sink Sink>
class logging_publisher {
 public:
  explicit logging_publisher(Sink sink, breadcrumb_sources sources = {})
      : sink_{std::move(sink)}, sources_{std::move(sources)} {}

  template <event_type Event>
  void publish(const Event& event) {
    breadcrumb_trail{event, sink_, sources_}.emitted();
  }

 private:
  Sink sink_;
  breadcrumb_sources sources_;
};

/// Publishes to each of its publishers, in order. If one throws, the others still get the event, and the
/// first exception is thrown again afterwards. Refers to the publishers, which must outlive it; as
/// thread-safe as they are.
template <class... Publishers>
class publisher_sequence {
 public:
  explicit publisher_sequence(Publishers&... publishers) : publishers_{publishers...} {}

  template <detail::published_by<Publishers...> Event>
  void publish(const Event& event) {
    std::exception_ptr first_failure;
    const auto publish_to = [&](auto& target) {
      try {
        target.publish(event);
      } catch (...) {
        if (!first_failure) {
          first_failure = std::current_exception();
        }
      }
    };
    std::apply([&](auto&... each) { (publish_to(each), ...); }, publishers_);
    if (first_failure) {
      std::rethrow_exception(first_failure);
    }
  }

 private:
  std::tuple<Publishers&...> publishers_;
};

}  // namespace event_relay
