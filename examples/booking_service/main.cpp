// SPDX-License-Identifier: MIT
// booking_service [OPTIONS] BOOKINGS.csv: plays a file of real bookings through the booking service, with
// event_relay to carry what happened to the customers. The wiring of each way to run is in its run_*.cpp.
// booking_service dead-letters|metrics ...: what an operator asks, see operate.cpp.
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "bookings_csv.hpp"
#include "file.hpp"
#include "operate.hpp"
#include "options.hpp"
#include "run.hpp"
#include "stop_signals.hpp"
#include "summary.hpp"

namespace bookings {
namespace {

/// Throws file_error if a file would be written while another of the options reads or writes it.
void require_different_files(const options& chosen) {
  const auto is_same = [](const std::string& one, const std::string& other) {
    std::error_code ignored;  // of a file that is not there yet
    const bool is_device = std::filesystem::is_character_file(one, ignored);
    return !is_device && (one == other || std::filesystem::equivalent(one, other, ignored));
  };
  std::vector<std::pair<std::string_view, std::string>> written;
  for (const auto& [what, path] : {std::pair{"the database", &chosen.database},
                                   {"breadcrumbs", &chosen.breadcrumbs},
                                   {"notifications", &chosen.notifications}}) {
    if (!*path) {
      continue;
    }
    if (!chosen.input.empty() && is_same(**path, chosen.input)) {
      throw file_error{fmt::format("{} would be overwritten while it is read", **path)};
    }
    for (const auto& [other, other_path] : written) {
      if (is_same(**path, other_path)) {
        throw file_error{fmt::format("{} and {} cannot both go to {}", other, what, other_path)};
      }
    }
    written.emplace_back(what, **path);
  }
}

run_summary run_as_chosen(const options& chosen, const run_files& files) {
  if (!chosen.database && !chosen.postgres) {
    return run_in_process(chosen, files);
  }
  const stop_signals signals{chosen.stop_after};
  run_summary done =
      chosen.postgres ? run_on_postgres(chosen, files, signals.token()) : run_on_sqlite(chosen, files, signals.token());
  if (done.resumed_rows > 0 && done.total().published == 0) {
    fmt::print(stderr, "booking_service: {} was played before; another database starts anew\n", chosen.input);
  }
  // One that only works ends no other way.
  if (signals.token().stop_requested() && chosen.share != run_share::work) {
    fmt::print(stderr, "booking_service: stopped; the same command goes on from here\n");
  }
  return done;
}

int run(const options& chosen) {
  const auto start = std::chrono::steady_clock::now();
  std::optional<file> input;
  std::optional<file> breadcrumbs;
  std::optional<file> notifications;
  std::optional<bookings_reader> reader;
  try {
    require_different_files(chosen);
    if (chosen.share != run_share::work && chosen.input != "-") {
      input.emplace(chosen.input, "r");
    }
    if (chosen.breadcrumbs) {
      breadcrumbs.emplace(*chosen.breadcrumbs, "w");
    }
    if (chosen.notifications) {
      notifications.emplace(*chosen.notifications, "w");
    }
    if (chosen.share != run_share::work) {
      reader.emplace(input ? input->stream() : stdin);
    }
  } catch (const file_error& error) {
    fmt::print(stderr, "booking_service: {}\n", error.what());
    return 2;
  } catch (const unreadable_csv& error) {
    fmt::print(stderr, "booking_service: {}: {}\n", chosen.input, error.what());
    return 2;
  }
  const auto stream_of = [](const std::optional<file>& opened) { return opened ? opened->stream() : nullptr; };
  run_summary done =
      run_as_chosen(chosen, {reader ? &*reader : nullptr, stream_of(breadcrumbs), stream_of(notifications)});
  done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  fmt::print("{}", chosen.summary == summary_format::json ? to_json(done) : to_table(done));
  for (const auto* written : {&breadcrumbs, &notifications}) {
    if (*written) {
      (*written)->flush();
    }
  }
  if (std::fflush(stdout) != 0) {
    throw file_error{"cannot write the summary to standard output"};
  }
  if (done.lost_breadcrumbs > 0) {
    throw file_error{fmt::format("{} breadcrumbs could not be written", done.lost_breadcrumbs)};
  }
  return done.rejected_rows > 0 ? 3 : 0;
}

}  // namespace
}  // namespace bookings

int main(int argc, char** argv) {
  try {
    if (argc > 1 && bookings::is_operation(argv[1])) {
      return bookings::operate(argc, argv);
    }
    const auto parsed = bookings::parse_options(argc, argv);
    if (const int* status = std::get_if<int>(&parsed)) {
      return *status;
    }
    return bookings::run(std::get<bookings::options>(parsed));
  } catch (const bookings::unreadable_csv& error) {
    fmt::print(stderr, "booking_service: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "booking_service: {}\n", error.what());
    return 1;
  }
}
