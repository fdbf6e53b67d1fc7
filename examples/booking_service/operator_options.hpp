// SPDX-License-Identifier: MIT
// What an operator asks of the outbox on the command line.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <event_relay/outbox/dead_letter_store.hpp>
#include <event_relay/outbox/dead_letters.hpp>

namespace bookings {

enum class operator_verb { list, show, redrive, purge, export_all, metrics };

struct operator_request {
  operator_verb verb = operator_verb::list;
  /// The SQLite file, unless `postgres` names another database.
  std::string database = "booking_service.sqlite";
  /// A connection string; it may hold a password.
  std::optional<std::string> postgres = std::nullopt;
  bool json = false;

  /// Of dead letters: these, or else those that the filter finds.
  std::vector<std::string> ids = {};
  event_relay::dead_letter_filter filter = {};
  /// Narrows the filter, by the store's time.
  std::optional<std::chrono::milliseconds> older_than = std::nullopt;
  std::optional<event_relay::dead_letter_cursor> after = std::nullopt;
  std::size_t limit = 100;
  /// Its `run` holds for a purge as well.
  event_relay::redrive_options redrive = {};

  /// Of metrics.
  bool watch = false;
  std::optional<std::chrono::milliseconds> stop_after = std::nullopt;
};

/// The request, or the exit status if there is nothing to do: 0 after --help, 2 for wrong usage.
std::variant<operator_request, int> parse_operator_options(int argc, char** argv);

/// The place after which a page begins, as `--after` takes it.
std::string text_of(const event_relay::dead_letter_cursor& cursor);

}  // namespace bookings
