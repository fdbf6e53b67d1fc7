// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "kill_switch.hpp"
#include "postgres_conninfo.hpp"

namespace bookings {

namespace {

kill_point parse_kill_point(const std::string& text) {
  const std::size_t colon = text.find(':');
  kill_point parsed{.place = text.substr(0, colon)};
  bool is_number = true;
  if (colon != std::string::npos) {
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data() + colon + 1, end, parsed.passage);
    is_number = error == std::errc{} && stopped == end && parsed.passage > 0;
  }
  const auto& places = kill_switch::places;
  if (std::find(places.begin(), places.end(), parsed.place) == places.end() || !is_number) {
    throw CLI::ValidationError(
        "--kill-at", fmt::format("\"{}\" is not PLACE[:N] with a place of: {}", text, fmt::join(places, ", ")));
  }
  return parsed;
}

// A place that the process never comes to would be a kill that nobody sees fail.
void require_passed(const kill_point& at, run_share share) {
  const bool is_of_append =
      at.place == kill_switch::before_append_commit || at.place == kill_switch::after_append_commit;
  if (share != run_share::all && is_of_append != (share == run_share::append)) {
    throw CLI::ValidationError(
        "--kill-at",
        fmt::format("{} never comes to {}", share == run_share::append ? "--append-only" : "--work-only", at.place));
  }
}

}  // namespace

std::variant<options, int> parse_options(int argc, char** argv) {
  options chosen;
  std::int64_t base_backoff_ms = chosen.base_backoff.count();
  std::string summary = "table";
  bool in_process = false;
  bool append_only = false;
  bool work_only = false;
  std::string database = *chosen.database;
  double stop_after_seconds = 0.0;
  std::int64_t keep_processed_seconds = 0;
  std::string kill_at;

  CLI::App app{"Plays a file of hotel bookings through a booking service and carries its events to their end.",
               "booking_service"};
  app.footer("For operators: booking_service dead-letters --help, booking_service metrics --help");
  auto* const input = app.add_option("BOOKINGS.csv", chosen.input, "The bookings, or - for standard input");
  app.add_option("--fail-until", chosen.fail_until, "Fail attempts 1 to N of every event")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--fail-rate", chosen.fail_rate, "Fail each attempt with probability P, 0 to 1")
      ->type_name("P")
      ->capture_default_str();
  app.add_option("--seed", chosen.seed, "Choose which attempts --fail-rate fails")->type_name("S");
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
  auto* const with_file =
      app.add_option("--db", database, "Keep bookings and events in this SQLite database, and go on where a run ended")
          ->type_name("FILE")
          ->capture_default_str();
  app.add_option("--postgres", chosen.postgres,
                 "Keep them in this PostgreSQL database; a password is better in PGPASSFILE, as all can see CONNINFO")
      ->type_name("CONNINFO")
      ->check(CLI::Validator{fault_of_conninfo, ""})
      ->excludes(with_file);
  app.add_option("--workers", chosen.workers, "Threads that carry events")
      ->type_name("N")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--batch", chosen.batch, "Events that a thread claims at a time")
      ->type_name("N")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  app.add_option("--emails-per-second", chosen.emails_per_second, "Send no more e-mails than that; others go on")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--keep-processed", keep_processed_seconds, "Keep processed events for so long; 0: not at all")
      ->type_name("SECONDS")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{315'360'000}))
      ->capture_default_str();
  auto* const stop_after = app.add_option("--stop-after", stop_after_seconds, "Stop gracefully after so long")
                               ->type_name("SECONDS")
                               ->check(CLI::Range(0.0, 86400.0));
  app.add_option("--kill-at", kill_at,
                 fmt::format("Kill the process the Nth time it comes to PLACE, to try recovery out: {}",
                             fmt::join(kill_switch::places, ", ")))
      ->type_name("PLACE[:N]");
  auto* const appends = app.add_flag("--append-only", append_only, "Only store bookings and events");
  auto* const works =
      app.add_flag("--work-only", work_only, "Only carry events, whoever appends them, until --stop-after or Ctrl-C");
  auto* const relays =
      app.add_flag("--in-process", in_process, "Without a database: relay in process, retrying at once");

  const auto refuse_with = [&](CLI::Option* flag, std::initializer_list<const char*> others) {
    for (const char* const each : others) {
      flag->excludes(app.get_option(each));
    }
  };
  refuse_with(relays, {"--db", "--postgres", "--append-only", "--work-only", "--emails-per-second", "--keep-processed",
                       "--stop-after", "--kill-at"});
  refuse_with(works, {"--append-only", "BOOKINGS.csv"});
  refuse_with(appends, {"--fail-until", "--fail-rate", "--seed", "--max-attempts", "--base-backoff-ms", "--breadcrumbs",
                        "--notifications", "--workers", "--batch", "--emails-per-second", "--keep-processed"});

  try {
    app.parse(argc, argv);
    if (!(chosen.fail_rate >= 0.0 && chosen.fail_rate <= 1.0)) {
      throw CLI::ValidationError("--fail-rate", "must be 0 to 1");
    }
    if (!work_only && !*input) {
      throw CLI::RequiredError(input->get_name());
    }
    chosen.share = append_only ? run_share::append : work_only ? run_share::work : run_share::all;
    if (!kill_at.empty()) {
      chosen.kill_at = parse_kill_point(kill_at);
      require_passed(*chosen.kill_at, chosen.share);
    }
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  chosen.base_backoff = std::chrono::milliseconds{base_backoff_ms};
  chosen.database = in_process || chosen.postgres ? std::nullopt : std::optional{database};
  chosen.keep_processed = std::chrono::seconds{keep_processed_seconds};
  if (*stop_after) {
    chosen.stop_after = std::chrono::milliseconds{static_cast<std::int64_t>(stop_after_seconds * 1000)};
  }
  chosen.summary = summary == "json" ? summary_format::json : summary_format::table;
  return chosen;
}

}  // namespace bookings
