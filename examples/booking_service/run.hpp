// SPDX-License-Identifier: MIT
// A run of the program: a file of bookings is played through the service, row by row, and what happened is
// carried to its end. Two ways to do that, with the same service, events and handler.
#pragma once

#include <cstdio>
#include <stop_token>

#include "bookings_csv.hpp"
#include "options.hpp"
#include "summary.hpp"

namespace bookings {

/// What a run reads and writes. The streams are null where nobody asked for the file.
struct run_files {
  bookings_reader& bookings;
  std::FILE* breadcrumbs;
  std::FILE* notifications;
};

/// Bookings in memory, and a relay that retries at once: what ends with the process is lost.
run_summary run_in_process(const options& chosen, const run_files& files);

/// Bookings and events in one database, and a worker: whatever ends the process, the same command goes on
/// where it was. Ends when every event has come to its end, those of other runs included, or when `stop` is
/// requested. Throws event_relay::store_error.
run_summary run_on_database(const options& chosen, const run_files& files, const std::stop_token& stop);

}  // namespace bookings
