// SPDX-License-Identifier: MIT
#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>

#include <fmt/format.h>
#include <event_relay/sqlite/sqlite.hpp>

#include "file.hpp"
#include "operate_on_database.hpp"

namespace bookings {

namespace {

void require_outbox(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    throw file_error{fmt::format("there is no database \"{}\"", path)};
  }
  event_relay::sqlite::connection database{path, std::chrono::seconds{5}};
  if (database.integer("SELECT count(*) FROM main.sqlite_schema WHERE name = 'event_relay_outbox'", 0) == 0) {
    throw file_error{fmt::format("there is no outbox in {}", path)};
  }
}

}  // namespace

int operate_on_sqlite(const operator_request& asked, const std::stop_token& stop) {
  require_outbox(asked.database);
  event_relay::sqlite::store store{asked.database};
  return operate_on(store, asked, stop);
}

}  // namespace bookings
