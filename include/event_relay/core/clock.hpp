// SPDX-License-Identifier: MIT
// Where instants come from. Everything in the library that needs the time is handed a clock; only the
// default below, at the edge, reads the machine's.
#pragma once

#include <chrono>
#include <concepts>

#include "event_relay/core/instant.hpp"

namespace event_relay {

/// A source of instants. `now()` may be called from every thread that publishes, and may step backwards
/// (the wall clock does): nothing in the library assumes that two readings are in order.
template <class Type>
concept clock = requires(Type& source) {
  { source.now() } -> std::same_as<instant>;
};

/// The machine's UTC clock. Thread-safe.
struct system_clock {
  instant now() const { return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()); }
};

}  // namespace event_relay
