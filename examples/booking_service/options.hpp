// SPDX-License-Identifier: MIT
// What the command line of booking_service says.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace bookings {

enum class summary_format { table, json };

struct options {
  /// The file of bookings; "-" is standard input.
  std::string input;
  std::uint32_t fail_until = 0;
  double fail_rate = 0.0;
  /// Given, it makes the injected faults and the ids repeatable.
  std::optional<std::uint64_t> seed;
  std::uint32_t max_attempts = 3;
  std::chrono::milliseconds base_backoff{1000};
  std::optional<std::string> breadcrumbs;
  std::optional<std::string> notifications;
  summary_format summary = summary_format::table;
};

/// The options, or the exit status with which the program ends at once, its message printed: 0 after
/// --help, 2 for a command line that makes no sense.
std::variant<options, int> parse_options(int argc, char** argv);

}  // namespace bookings
