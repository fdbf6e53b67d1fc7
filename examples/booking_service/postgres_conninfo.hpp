// SPDX-License-Identifier: MIT
// What the command line knows of PostgreSQL, in a build with libpq or without.
#pragma once

#include <string>

namespace bookings {

/// What is wrong with a connection string, or with this build; empty if nothing. Never shows the string, which
/// may hold a password.
std::string fault_of_conninfo(const std::string& text);

}  // namespace bookings
