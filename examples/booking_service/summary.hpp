// SPDX-License-Identifier: MIT
// What a run did, counted while it goes, and the two ways to print it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include <event_relay/event_relay.hpp>

#include "events.hpp"

namespace bookings {

struct event_counts {
  std::string_view name;
  std::string_view pipeline;
  /// By this run; of those that ended in it, an earlier run may have published some.
  std::uint64_t published = 0;
  std::uint64_t processed = 0;
  std::uint64_t dead_lettered = 0;
};

struct run_summary {
  std::array<event_counts, booking_events::size> by_event = [] {
    std::array<event_counts, booking_events::size> counts;
    std::size_t at = 0;
    booking_events::for_each(
        [&]<class Event> { counts[at++] = {.name = Event::name, .pipeline = Event::names::pipeline}; });
    return counts;
  }();
  /// On the five booking events.
  std::uint64_t attempts = 0;
  /// Delivered ones.
  std::uint64_t notifications = 0;
  std::uint64_t rejected_rows = 0;
  /// Rows that an earlier run had played.
  std::uint64_t resumed_rows = 0;
  /// Attempts whose end was refused, because their lease had expired.
  std::uint64_t stale_settles = 0;
  std::int64_t captured_cents = 0;
  std::uint64_t lost_breadcrumbs = 0;
  double seconds = 0.0;

  /// Null for an event that is not the booking service's own: a notification.
  event_counts* counts_of(std::string_view name) {
    for (event_counts& each : by_event) {
      if (each.name == name) {
        return &each;
      }
    }
    return nullptr;
  }

  template <class Event>
  void count_published(const Event& event) {
    ++counts_of(Event::name)->published;
    if constexpr (std::is_same_v<Event, payment_captured>) {
      captured_cents += event.replayed ? 0 : event.payload.amount_cents;
    }
  }

  void count_ended(std::string_view name, event_relay::attempt_status status) {
    event_counts* const counts = counts_of(name);
    counts->processed += status == event_relay::attempt_status::processed ? 1 : 0;
    counts->dead_lettered += status == event_relay::attempt_status::dead_letter ? 1 : 0;
  }

  event_counts total() const {
    event_counts sum{.name = "all", .pipeline = ""};
    for (const event_counts& each : by_event) {
      sum.published += each.published;
      sum.processed += each.processed;
      sum.dead_lettered += each.dead_lettered;
    }
    return sum;
  }
};

/// One line, one JSON object.
std::string to_json(const run_summary& run);
/// For people; several lines.
std::string to_table(const run_summary& run);

}  // namespace bookings
