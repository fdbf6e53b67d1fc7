// SPDX-License-Identifier: MIT
// How dead letters, and what was done with them, look on standard output: for people, or as JSON lines.
#pragma once

#include <cstddef>
#include <string_view>

#include <event_relay/outbox/dead_letter_store.hpp>
#include <event_relay/outbox/event_record.hpp>

#include "operator_options.hpp"

namespace bookings {

void print_page(const event_relay::dead_letter_page& page, const operator_request& asked);
/// With its payload and failures.
void print_event(const event_relay::stored_event& event, const operator_request& asked);
/// `done` is the participle: redriven, purged.
void print_change(std::string_view done, std::size_t changed, const operator_request& asked);
/// To standard error.
void report_no_dead_letter(std::string_view id);

}  // namespace bookings
