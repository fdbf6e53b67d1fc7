// SPDX-License-Identifier: MIT
// What the command line of booking_service says.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace bookings {

enum class summary_format { table, json };

/// The nth time that the run comes to a place, counted from 1.
struct kill_point {
  std::string place;
  std::uint64_t passage = 1;
};

/// What a process does of a run; others do the rest.
enum class run_share {
  all,
  append,  ///< the bookings and their events
  work,    ///< the events, whoever appends them
};

struct options {
  /// The file of bookings; "-" is standard input. Empty for a process that only works.
  std::string input;
  std::uint32_t fail_until = 0;
  double fail_rate = 0.0;
  /// Given, it makes the injected faults others, and repeatable.
  std::optional<std::uint64_t> seed;
  std::uint32_t max_attempts = 3;
  std::chrono::milliseconds base_backoff{1000};
  std::optional<std::string> breadcrumbs;
  std::optional<std::string> notifications;
  summary_format summary = summary_format::table;
  /// The SQLite file; absent where `postgres` is there. Neither: everything in process.
  std::optional<std::string> database = "booking_service.sqlite";
  /// A connection string; it may hold a password.
  std::optional<std::string> postgres;
  run_share share = run_share::all;
  std::size_t workers = 2;
  std::size_t batch = 100;
  /// What the mail server takes; absent: as many as come.
  std::optional<std::uint32_t> emails_per_second;
  /// How long processed events are kept; 0: not at all.
  std::chrono::milliseconds keep_processed{0};
  std::optional<std::chrono::milliseconds> stop_after;
  /// Where the process kills itself, and at which passage there; for trying out recovery.
  std::optional<kill_point> kill_at;
};

/// The options, or the exit status with which the program ends at once, its message printed: 0 after
/// --help, 2 for a command line that makes no sense.
std::variant<options, int> parse_options(int argc, char** argv);

}  // namespace bookings
