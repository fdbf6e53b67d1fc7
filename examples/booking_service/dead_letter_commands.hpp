// SPDX-License-Identifier: MIT
// What an operator does with dead letters: list, show, redrive, purge, export.
#pragma once

#include <cstddef>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>

#include <event_relay/core/json_lines_sink.hpp>
#include <event_relay/outbox/dead_letters.hpp>

#include "dead_letter_printing.hpp"
#include "operator_options.hpp"

namespace bookings {

/// Does `by_id` with each id, or `by_filter` if there are none, and prints how many; returns the exit status.
template <class ById, class ByFilter>
int change_dead_letters(const operator_request& asked, std::string_view done, ById by_id, ByFilter by_filter) {
  std::size_t changed = asked.ids.empty() ? by_filter() : 0;
  int status = 0;
  for (const std::string& id : std::set<std::string>{asked.ids.begin(), asked.ids.end()}) {
    if (by_id(id)) {
      ++changed;
    } else {
      report_no_dead_letter(id);
      status = 1;
    }
  }
  print_change(done, changed, asked);
  return status;
}

/// Does it and prints it; returns the exit status, 1 for an id that is no dead letter's. Throws
/// event_relay::store_error, and std::system_error where standard output takes no more.
template <event_relay::dead_letter_store Store>
int deal_with_dead_letters(Store& store, const operator_request& asked) {
  event_relay::dead_letters dead{store};
  const bool is_dry = asked.redrive.run == event_relay::run_kind::dry;
  switch (asked.verb) {
    case operator_verb::list: print_page(dead.list(asked.filter, asked.after, asked.limit), asked); return 0;
    case operator_verb::show:
      if (const auto found = dead.show(asked.ids.front())) {
        print_event(*found, asked);
        return 0;
      }
      report_no_dead_letter(asked.ids.front());
      return 1;
    case operator_verb::redrive:
      return change_dead_letters(
          asked, "redriven",
          [&](const std::string& id) { return is_dry ? dead.show(id).has_value() : dead.redrive(id); },
          [&] { return dead.redrive(asked.filter, asked.redrive); });
    case operator_verb::purge:
      return change_dead_letters(
          asked, "purged",
          [&](const std::string& id) {
            return is_dry ? dead.show(id).has_value() : store.purge({&id, 1}) > 0;
          },
          [&] { return dead.purge(asked.filter, asked.redrive.run); });
    case operator_verb::export_all: {
      event_relay::stream_writer standard_output{stdout};
      dead.export_to(standard_output, asked.filter);
      return 0;
    }
    case operator_verb::metrics: break;  // not of dead letters
  }
  return 1;
}

}  // namespace bookings
