// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <cstdint>
#include <string>
#include <variant>

#include <CLI/CLI.hpp>

namespace bookings {

std::variant<options, int> parse_options(int argc, char** argv) {
  options chosen;
  std::int64_t base_backoff_ms = chosen.base_backoff.count();
  std::string summary = "table";
  bool in_process = false;

  CLI::App app{"Plays a file of hotel bookings through a booking service and carries its events to their end.",
               "booking_service"};
  app.add_option("BOOKINGS.csv", chosen.input, "The bookings, or - for standard input")->required();
  app.add_option("--fail-until", chosen.fail_until, "Fail attempts 1 to N of every event")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--fail-rate", chosen.fail_rate, "Fail each attempt with probability P, 0 to 1")
      ->type_name("P")
      ->capture_default_str();
  app.add_option("--seed", chosen.seed, "Make the injected faults and the ids repeatable")->type_name("S");
  app.add_option("--max-attempts", chosen.max_attempts, "Attempts before an event is a dead letter")
      ->type_name("N")
      ->check(CLI::Range(1U, UINT32_MAX))
      ->capture_default_str();
  app.add_option("--base-backoff-ms", base_backoff_ms,
                 "The wait after the first attempt, in milliseconds; doubled after each")
      ->type_name("MS")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--breadcrumbs", chosen.breadcrumbs, "Write all breadcrumbs to FILE, as JSON lines")
      ->type_name("FILE");
  app.add_option("--notifications", chosen.notifications, "Write all notifications to FILE, as JSON lines")
      ->type_name("FILE");
  app.add_option("--summary", summary, "How to print the summary")
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("FORMAT")
      ->capture_default_str();
  app.add_flag("--in-process", in_process, "Relay in process, retrying at once (the only way so far)");

  try {
    app.parse(argc, argv);
    if (!(chosen.fail_rate >= 0.0 && chosen.fail_rate <= 1.0)) {
      throw CLI::ValidationError("--fail-rate", "must be 0 to 1");
    }
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  chosen.base_backoff = std::chrono::milliseconds{base_backoff_ms};
  chosen.summary = summary == "json" ? summary_format::json : summary_format::table;
  return chosen;
}

}  // namespace bookings
