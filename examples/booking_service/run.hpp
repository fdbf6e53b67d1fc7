// SPDX-License-Identifier: MIT
// A run of the program: a file of bookings is played through the service, row by row, and what happened is
// carried to its end. Three ways to do that, with the same service, events and handler.
#pragma once

#include <cstdio>
#include <stop_token>

#include "bookings_csv.hpp"
#include "options.hpp"
#include "summary.hpp"

namespace bookings {

/// What a run reads and writes. The pointers are null where nobody asked for it.
struct run_files {
  bookings_reader* bookings;
  std::FILE* breadcrumbs;
  std::FILE* notifications;
};

/// Bookings in memory, and a relay that retries at once: what ends with the process is lost.
run_summary run_in_process(const options& chosen, const run_files& files);

/// Bookings and events in one database, and a worker: whatever ends the process, the same command goes on
/// where it was. Ends when every event has come to its end, those of other runs included, or when `stop` is
/// requested. One that only appends ends with the bookings; one that only works, with `stop`. Throws
/// event_relay::store_error.
run_summary run_on_sqlite(const options& chosen, const run_files& files, const std::stop_token& stop);

/// The same on a PostgreSQL server, which any number of processes share.
run_summary run_on_postgres(const options& chosen, const run_files& files, const std::stop_token& stop);

}  // namespace bookings
