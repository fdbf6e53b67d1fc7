// SPDX-License-Identifier: MIT
// What an operator asks of the outbox beside a run: its dead letters, and its numbers.
#pragma once

#include <string_view>

namespace bookings {

/// Whether the first argument is one of `operate`'s verbs: dead-letters or metrics.
bool is_operation(std::string_view argument);

/// Does what the command line says, says what keeps it from that, and returns the exit status. That of
/// dead-letters: 0; 1 for what failed or is not there; 2 for wrong usage. That of metrics: 0, 1 or 2 for good,
/// watch or critical; 3 for whatever kept it from telling.
int operate(int argc, char** argv);

}  // namespace bookings
