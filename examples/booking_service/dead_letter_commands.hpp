// SPDX-License-Identifier: MIT
// What an operator does with dead letters: list, show, redrive, purge, export.
#pragma once

#include <event_relay/sqlite/sqlite.hpp>

#include "operator_options.hpp"

namespace bookings {

/// Does it and prints it; returns the exit status, 1 for an id that is no dead letter's. Throws
/// event_relay::store_error, and std::system_error where standard output takes no more.
int deal_with_dead_letters(event_relay::sqlite::store<>& store, const operator_request& asked);

}  // namespace bookings
