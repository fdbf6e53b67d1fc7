// SPDX-License-Identifier: MIT
// The numbers of the outbox, for people and for whatever watches over the service.
#pragma once

#include <event_relay/sqlite/sqlite.hpp>

#include "operator_options.hpp"

namespace bookings {

/// Prints them once, or every second until a stop is requested or standard output fails; returns 0, 1 or 2 for
/// what was last: good, watch or critical. Throws event_relay::store_error.
int show_metrics(event_relay::sqlite::store<>& store, const operator_request& asked);

}  // namespace bookings
