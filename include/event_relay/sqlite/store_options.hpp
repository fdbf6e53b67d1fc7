// SPDX-License-Identifier: MIT
// How a store in an SQLite file keeps its events.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>

#include <fmt/format.h>

#include "event_relay/sqlite/driver/connection.hpp"

namespace event_relay::sqlite {

struct store_options {
  /// Of the library's own commits; how sure a host's commit is, the host's connection says. Full, for an
  /// effect that is stored as done must not be undone by a loss of power.
  synchronous durability = synchronous::full;
  /// How long a transaction of the library waits in the queue of this process, and then for another's lock,
  /// until it fails as `busy`. Well below a lease, so that a heartbeat comes in time.
  std::chrono::milliseconds busy_timeout{std::chrono::seconds{5}};
  /// Failures that are kept of each event, the last ones: enough to see what goes wrong, and bounded.
  std::uint32_t failures_kept = 10;
  /// How long a processed event is kept, to be looked at and for its id to be taken; 0: it is deleted when it
  /// is settled, which keeps the file small. Not negative.
  std::chrono::milliseconds keep_processed{0};
  /// Called with each of the library's own connections when it is open. What handlers' writes need beyond
  /// SQLite's defaults goes here: `PRAGMA foreign_keys = ON`, functions, collations, attached databases.
  std::function<void(connection&)> on_open = nullptr;
};

namespace detail {

inline void require_valid(const store_options& options) {
  if (options.busy_timeout.count() < 0) {
    throw std::invalid_argument(
        fmt::format("store_options: busy_timeout is {} ms, must be 0 or more", options.busy_timeout.count()));
  }
  if (options.keep_processed.count() < 0) {
    throw std::invalid_argument(
        fmt::format("store_options: keep_processed is {} ms, must be 0 or more", options.keep_processed.count()));
  }
}

}  // namespace detail

}  // namespace event_relay::sqlite
