// SPDX-License-Identifier: MIT
// What an operator asks of the outbox beside a run: its dead letters, and its numbers.
#pragma once

#include <string_view>

namespace bookings {

/// Whether the first argument is one of `operate`'s verbs: dead-letters or metrics.
bool is_operation(std::string_view argument);

/// Does what the command line says; returns the exit status. Throws event_relay::store_error.
int operate(int argc, char** argv);

}  // namespace bookings
