// SPDX-License-Identifier: MIT
#include "summary.hpp"

#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace bookings {

std::string to_json(const run_summary& run) {
  nlohmann::ordered_json by_event;
  for (const event_counts& each : run.by_event) {
    by_event[std::string{each.name}] = {{"published", each.published},
                                        {"processed", each.processed},
                                        {"dead_lettered", each.dead_lettered},
                                        {"pipeline", each.pipeline}};
  }
  const event_counts total = run.total();
  const nlohmann::ordered_json all = {{"events", total.processed + total.dead_lettered},
                                      {"appended", total.published},
                                      {"processed", total.processed},
                                      {"dead_lettered", total.dead_lettered},
                                      {"attempts", run.attempts},
                                      {"notifications", run.notifications},
                                      {"rejected_rows", run.rejected_rows},
                                      {"resumed_rows", run.resumed_rows},
                                      {"stale_settles", run.stale_settles},
                                      {"captured_cents", run.captured_cents},
                                      {"lost_breadcrumbs", run.lost_breadcrumbs},
                                      {"by_event", by_event},
                                      {"seconds", run.seconds}};
  return all.dump() + "\n";
}

std::string to_table(const run_summary& run) {
  fmt::memory_buffer text;
  const auto line = [&](const event_counts& each) {
    fmt::format_to(std::back_inserter(text), "{:<18} {:>10} {:>10} {:>13}{}{}\n", each.name, each.published,
                   each.processed, each.dead_lettered, each.pipeline.empty() ? "" : "  ", each.pipeline);
  };
  fmt::format_to(std::back_inserter(text), "{:<18} {:>10} {:>10} {:>13}  {}\n", "event", "published", "processed",
                 "dead-lettered", "pipeline");
  for (const event_counts& each : run.by_event) {
    line(each);
  }
  line(run.total());
  fmt::format_to(
      std::back_inserter(text),
      "\n{} attempts, {} notifications, EUR {}.{:02} captured, {} rejected rows, {} resumed rows, {:.2f} s\n",
      run.attempts, run.notifications, run.captured_cents / 100, run.captured_cents % 100, run.rejected_rows,
      run.resumed_rows, run.seconds);
  return fmt::to_string(text);
}

}  // namespace bookings
