// SPDX-License-Identifier: MIT
#include "dead_letter_printing.hpp"

#include <cstdio>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <event_relay/core/instant.hpp>
#include <event_relay/core/json_text.hpp>
#include <event_relay/outbox/event_record.hpp>

namespace bookings {

namespace {

using event_relay::iso8601_text;
using event_relay::stored_event;

// Texts may come from anywhere; none can command the terminal or look like another line. Quotes stay as they
// are, so that a payload reads well.
std::string printable(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t quote = text.find_first_of("\"\\");
    fmt::memory_buffer escaped;
    event_relay::append_json_string(escaped, text.substr(0, quote));
    out.append(escaped.data() + 1, escaped.size() - 2);
    if (quote == std::string_view::npos) {
      return out;
    }
    out.push_back(text[quote]);
    text.remove_prefix(quote + 1);
  }
}

void print_line(const stored_event& event) {
  fmt::memory_buffer line;
  append_json(line, event);
  fmt::print("{}\n", std::string_view{line.data(), line.size()});
}

template <class... Cells>
void print_row(const Cells&... cells) {
  fmt::print("{:<24}  {:<20}  {:<22}  {:>8}  {:<36}  {}\n", cells...);
}

void print_details(const stored_event& event) {
  const auto line = [](std::string_view label, std::string_view text) {
    if (!text.empty()) {
      fmt::print("{:<16}{}\n", label, printable(text));
    }
  };
  line("id", event.record.id);
  line("event", event.record.name);
  line("occurred", iso8601_text{event.record.occurred_at}.view());
  line("dead since", iso8601_text{*event.dead_since}.view());
  line("reason", wire_name(*event.reason));
  line("attempts", fmt::to_string(event.attempts));
  line(event.holds_key ? "key (held)" : "key", event.record.ordering_key);
  line("correlation id", event.record.correlation_id);
  line("caused by", event.record.caused_by);
  line("traceparent", event.record.trace);
  line("source", event.record.source);
  line("payload", event.record.payload);
  for (const event_relay::failure_record& each : event.failures) {
    line("failure", fmt::format("{}, attempt {}: {}", iso8601_text{each.at}.view(), each.attempt, each.text));
  }
}

}  // namespace

void print_page(const event_relay::dead_letter_page& page, const operator_request& asked) {
  if (asked.json) {
    for (const stored_event& each : page.events) {
      print_line(each);
    }
    if (page.next) {
      fmt::print("{{\"next\":\"{}\"}}\n", text_of(*page.next));
    }
    return;
  }
  if (!page.events.empty()) {
    print_row("dead since", "event", "reason", "attempts", "id", "last failure");
  }
  for (const stored_event& each : page.events) {
    print_row(iso8601_text{*each.dead_since}.view(), printable(each.record.name), wire_name(*each.reason),
              each.attempts, printable(each.record.id),
              each.failures.empty() ? std::string{} : printable(each.failures.back().text));
  }
  if (page.next) {
    fmt::print("more: --after {}\n", text_of(*page.next));
  }
}

void print_event(const stored_event& event, const operator_request& asked) {
  asked.json ? print_line(event) : print_details(event);
}

void print_change(std::string_view done, std::size_t changed, const operator_request& asked) {
  const bool is_dry = asked.redrive.run == event_relay::run_kind::dry;
  if (asked.json) {
    fmt::print("{{\"{}\":{},\"dryRun\":{}}}\n", done, changed, is_dry);
  } else {
    fmt::print("{}{} {}\n", changed, is_dry ? " would be" : "", done);
  }
}

void report_no_dead_letter(std::string_view id) {
  fmt::print(stderr, "booking_service: there is no dead letter \"{}\"\n", printable(id));
}

}  // namespace bookings
