// SPDX-License-Identifier: MIT
// The source of instants. Whatever in the library needs the time is given a clock; only the default below
// reads the machine's.
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
