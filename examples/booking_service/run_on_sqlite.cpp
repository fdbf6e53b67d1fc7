// SPDX-License-Identifier: MIT
#include "bookings_in_sqlite.hpp"
#include "run.hpp"
#include "run_on_database.hpp"

namespace bookings {

run_summary run_on_sqlite(const options& chosen, const run_files& files, const std::stop_token& stop) {
  return run_on(bookings_in_sqlite{*chosen.database}, chosen, files, stop);
}

}  // namespace bookings
