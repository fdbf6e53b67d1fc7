// SPDX-License-Identifier: MIT
// How a store in a PostgreSQL database keeps its events.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>

#include <fmt/format.h>

#include "event_relay/postgres/driver/connection.hpp"
#include "event_relay/postgres/outbox_names.hpp"

namespace event_relay::postgres {

/// Whether a store tells other processes of commits, and is told of theirs.
enum class wake_ups {
  notify,   ///< by LISTEN and NOTIFY, on a connection and a thread of its own
  polling,  ///< not at all: a worker that waits finds out at its next poll (`with_poll_interval`)
};

struct store_options {
  outbox_names names = {};
  /// Connections for exchanges, renewals and reads, opened when they are needed: as many as threads work at a time, and
  /// no more than this. At least 1. Well below the server's max_connections for all processes together.
  std::size_t max_connections = 16;
  /// How long a statement of the library waits for a lock, until it fails as `busy`, and how long a call waits
  /// for one of the connections. Well below a lease, so that a heartbeat comes in time.
  std::chrono::milliseconds lock_timeout{std::chrono::seconds{5}};
  /// How many failures are kept of each event, the last ones: enough to see what goes wrong, and bounded.
  std::uint32_t failures_kept = 10;
  /// How long a processed event is kept, to be looked at and for its id to be taken; 0: it is deleted when it is
  /// settled, which keeps the table small. Not negative.
  std::chrono::milliseconds keep_processed{0};
  /// `polling` behind a pooler that shares sessions, which would lose what LISTEN set up.
  wake_ups hints = wake_ups::notify;
  /// Called with each of the library's own connections when it is open. What handlers' writes need beyond the
  /// user's defaults goes here: SET search_path, SET ROLE.
  std::function<void(connection&)> on_open = nullptr;
};

namespace detail {

inline void require_valid(const store_options& options) {
  require_valid(options.names);
  const auto require_not_negative = [](std::string_view field, std::chrono::milliseconds value) {
    if (value.count() < 0) {
      throw std::invalid_argument(fmt::format("store_options: {} is {} ms, must be 0 or more", field, value.count()));
    }
  };
  require_not_negative("keep_processed", options.keep_processed);
  if (options.lock_timeout < std::chrono::milliseconds{1} || options.lock_timeout > std::chrono::hours{24}) {
    throw std::invalid_argument(
        fmt::format("store_options: lock_timeout is {} ms, must be 1 ms to 24 hours", options.lock_timeout.count()));
  }
  if (options.max_connections == 0) {
    throw std::invalid_argument("store_options: max_connections is 0, must be 1 or more");
  }
}

}  // namespace detail

}  // namespace event_relay::postgres
