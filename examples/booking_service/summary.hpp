// SPDX-License-Identifier: MIT
// What a run did, counted while it goes, and the two ways to print it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <event_relay/event_relay.hpp>

#include "events.hpp"

namespace bookings {

struct event_counts {
  std::string_view name;
  std::string_view pipeline;
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
  std::uint64_t attempts = 0;
  std::uint64_t notifications = 0;
  std::uint64_t rejected_rows = 0;
  std::int64_t captured_cents = 0;
  std::uint64_t lost_breadcrumbs = 0;
  double seconds = 0.0;

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
