// SPDX-License-Identifier: MIT
// What an operator asks, of a store in whichever database.
#pragma once

#include <stop_token>

#include <event_relay/core/instant.hpp>

#include "dead_letter_commands.hpp"
#include "metrics_command.hpp"
#include "operator_options.hpp"

namespace bookings {

/// Each does what was asked until `stop` is requested, and returns the exit status. Throws file_error for a
/// database without an outbox: who looks at one must neither make it nor put an outbox into it, as opening the
/// store would. Throws event_relay::store_error.
int operate_on_sqlite(const operator_request& asked, const std::stop_token& stop);
int operate_on_postgres(const operator_request& asked, const std::stop_token& stop);

template <class Store>
int operate_on(Store& store, operator_request asked, const std::stop_token& stop) {
  if (asked.verb == operator_verb::metrics) {
    return show_metrics([&] { return store.metrics(); }, asked, stop);
  }
  if (asked.older_than) {
    asked.filter.until = event_relay::saturating_add(store.now(), -*asked.older_than);
  }
  return deal_with_dead_letters(store, asked);
}

}  // namespace bookings
