// SPDX-License-Identifier: MIT
#include "metrics_command.hpp"

#include <chrono>
#include <cstdio>
#include <string>

#include <fmt/format.h>
#include <event_relay/core/instant.hpp>
#include <event_relay/outbox/queue_metrics.hpp>
#include <event_relay/outbox/wake_signal.hpp>
#include <nlohmann/json.hpp>

namespace bookings {

namespace {

using event_relay::iso8601_text;
using event_relay::outcome_counts;
using event_relay::queue_metrics;
using event_relay::readiness;

void print_json(const queue_metrics& metrics, readiness state) {
  nlohmann::ordered_json outcomes = nlohmann::ordered_json::object();
  for (const outcome_counts& each : metrics.outcomes) {
    outcomes[each.name] = {{"attempts", each.attempts},
                           {"processed", each.processed},
                           {"retried", each.retried},
                           {"deadLettered", each.dead_lettered}};
  }
  const nlohmann::ordered_json all = {
      {"at", iso8601_text{metrics.at}.view()},
      {"readiness", wire_name(state)},
      {"ready", metrics.ready},
      {"scheduled", metrics.scheduled},
      {"leased", metrics.leased},
      {"orphans", metrics.orphans},
      {"blocked", metrics.blocked},
      {"deadLetters", metrics.dead_letters},
      {"heldKeys", metrics.held_keys},
      {"oldestLagMs", metrics.oldest_lag ? nlohmann::ordered_json(metrics.oldest_lag->count()) : nullptr},
      {"outcomes", outcomes}};
  fmt::print("{}\n", all.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

template <class... Cells>
void print_row(const Cells&... cells) {
  fmt::print("{:<24}  {:<9}{:>9}{:>11}{:>9}{:>10}{:>9}{:>14}{:>11}{:>14}\n", cells...);
}

void print_head() {
  print_row("at", "readiness", "ready", "scheduled", "leased", "orphans", "blocked", "dead letters", "held keys",
            "oldest lag");
}

void print_numbers(const queue_metrics& metrics, readiness state) {
  print_row(iso8601_text{metrics.at}.view(), wire_name(state), metrics.ready, metrics.scheduled, metrics.leased,
            metrics.orphans, metrics.blocked, metrics.dead_letters, metrics.held_keys,
            metrics.oldest_lag ? fmt::format("{} ms", metrics.oldest_lag->count()) : "none");
}

template <class... Cells>
void print_outcome(const Cells&... cells) {
  fmt::print("{:<24}  {:>9}{:>12}{:>12}{:>15}\n", cells...);
}

void print_outcomes(const queue_metrics& metrics) {
  fmt::print("\n");
  print_outcome("event", "attempts", "processed", "retried", "dead-lettered");
  for (const outcome_counts& each : metrics.outcomes) {
    print_outcome(each.name, each.attempts, each.processed, each.retried, each.dead_lettered);
  }
}

}  // namespace

int show_metrics(const std::function<queue_metrics()>& read, const operator_request& asked,
                 const std::stop_token& stop) {
  const auto print = [&](bool is_first) {
    const queue_metrics metrics = read();
    const readiness state = readiness_of(metrics);
    if (asked.json) {
      print_json(metrics, state);
      return state;
    }
    if (is_first) {
      print_head();
    }
    print_numbers(metrics, state);
    if (!asked.watch && !metrics.outcomes.empty()) {
      print_outcomes(metrics);
    }
    return state;
  };
  readiness state = print(true);
  if (asked.watch) {
    event_relay::wake_signal nobody_wakes;
    while (std::fflush(stdout) == 0) {  // whoever has called says what is wrong with it
      nobody_wakes.wait(0, std::chrono::seconds{1}, stop);
      if (stop.stop_requested()) {
        break;
      }
      state = print(false);
    }
  }
  return static_cast<int>(state);
}

}  // namespace bookings
