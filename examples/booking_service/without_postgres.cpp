// SPDX-License-Identifier: MIT
// In the place of what needs libpq, in a build without it. The command line is refused, so nothing else is called.
#include <stdexcept>

#include "operate_on_database.hpp"
#include "postgres_conninfo.hpp"
#include "run.hpp"

namespace bookings {

namespace {
constexpr const char* fault = "this program was built without PostgreSQL: install libpq 14 or later, and build again";
}

std::string fault_of_conninfo(const std::string&) { return fault; }

run_summary run_on_postgres(const options&, const run_files&, const std::stop_token&) { throw std::logic_error{fault}; }

int operate_on_postgres(const operator_request&, const std::stop_token&) { throw std::logic_error{fault}; }

}  // namespace bookings
