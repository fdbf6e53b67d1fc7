// SPDX-License-Identifier: MIT
#include "operate.hpp"

#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <variant>

#include <fmt/format.h>
#include <event_relay/outbox/store_error.hpp>
#include <event_relay/sqlite/sqlite.hpp>

#include "dead_letter_commands.hpp"
#include "file.hpp"
#include "metrics_command.hpp"
#include "operator_options.hpp"

namespace bookings {

namespace {

// Who looks at a database must neither make one nor put an outbox into one, as opening the store would.
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

int carry_out(operator_request asked) {
  require_outbox(asked.database);
  event_relay::sqlite::store store{asked.database};
  if (asked.older_than) {
    asked.filter.until = event_relay::saturating_add(store.now(), -*asked.older_than);
  }
  const int status =
      asked.verb == operator_verb::metrics ? show_metrics(store, asked) : deal_with_dead_letters(store, asked);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw std::runtime_error("cannot write to standard output");
  }
  return status;
}

}  // namespace

bool is_operation(std::string_view argument) { return argument == "dead-letters" || argument == "metrics"; }

int operate(int argc, char** argv) {
  const bool is_metrics = std::string_view{argv[1]} == "metrics";
  const auto failed = [&](int status) { return is_metrics ? 3 : status; };
  const auto parsed = parse_operator_options(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) {
    return *status == 0 ? 0 : failed(*status);
  }
  const auto& asked = std::get<operator_request>(parsed);
  try {
    return carry_out(asked);
  } catch (const file_error& error) {
    fmt::print(stderr, "booking_service: {}\n", error.what());
    return failed(2);
  } catch (const event_relay::store_error& error) {
    fmt::print(stderr, "booking_service: {}: {}\n", asked.database, error.what());
  } catch (const std::exception& error) {
    fmt::print(stderr, "booking_service: {}\n", error.what());
  }
  return failed(1);
}

}  // namespace bookings
