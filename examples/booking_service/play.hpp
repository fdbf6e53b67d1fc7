// SPDX-License-Identifier: MIT
// What both kinds of run share: the rows and their progress, the life of one booking, the injected faults.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>

#include <fmt/format.h>
#include <event_relay/event_relay.hpp>

#include "bookings_csv.hpp"
#include "notification_log.hpp"
#include "options.hpp"
#include "run.hpp"
#include "service.hpp"
#include "summary.hpp"

namespace bookings {

/// One booking from its creation to its end. Each row is one request, with a correlation id of its own.
template <class Service, event_relay::id_source Ids>
void play(Service& service, const booking_row& row, Ids& ids) {
  const event_relay::correlation_id correlation = event_relay::correlation_id::generate(ids);
  const caller customer{fmt::format("guest-{}", row.row), role::customer};
  const caller provider{"front-desk", role::provider};
  const std::string id = service.create(customer,
                                        {.requested_service = fmt::format("{}, {} nights", row.hotel, row.nights),
                                         .customer_location = row.country,
                                         .price_cents = row.amount_cents},
                                        correlation);
  if (row.ended == stay::canceled) {
    service.decline(provider, id, "cancelled by guest", correlation);
    return;
  }
  service.accept(provider, id, correlation);
  if (row.ended == stay::checked_out) {
    service.complete(provider, id, correlation);
  }
}

/// How far the rows are, for somebody who watches.
class progress {
 public:
  void step() {
    if (shown_ && ++rows_ % 500 == 0) {
      fmt::print(stderr, "\r{} bookings", rows_);
    }
  }
  void clear() const {
    if (shown_) {
      fmt::print(stderr, "\r\x1b[K");
    }
  }

 private:
  bool shown_ = isatty(STDERR_FILENO) == 1;
  std::size_t rows_ = 0;
};

/// Calls `play_row(row)` for each row until the last, or until `stop` is requested. Says what is wrong with
/// the others and returns how many those are.
template <class PlayRow>
std::uint64_t play_rows(bookings_reader& reader, const std::stop_token& stop, PlayRow play_row) {
  std::uint64_t rejected = 0;
  progress shown;
  while (!stop.stop_requested()) {
    const auto next = reader.next();
    if (!next) {
      break;
    }
    if (const auto* bad = std::get_if<bad_row>(&*next)) {
      shown.clear();
      fmt::print(stderr, "line {}: {}\n", bad->line, bad->reason);
      ++rejected;
    } else {
      play_row(std::get<booking_row>(*next));
    }
    shown.step();
  }
  shown.clear();
  return rejected;
}

inline auto injected_faults(const options& chosen) {
  return [until = event_relay::fail_until{chosen.fail_until},
          rate = event_relay::fail_at_rate{chosen.fail_rate, chosen.seed.value_or(0)}](
             const event_relay::attempt_info& info) { return until(info) || rate(info); };
}

inline std::optional<notification_log> log_to(std::FILE* stream) {
  return stream != nullptr ? std::optional<notification_log>{stream} : std::nullopt;
}

/// Calls `run(sink)` with a sink that writes to `stream`, or with none that costs anything.
template <class Run>
run_summary with_sink(std::FILE* stream, Run run) {
  return stream != nullptr ? run(event_relay::json_lines_sink{event_relay::stream_writer{stream}})
                           : run(event_relay::null_sink{});
}

}  // namespace bookings
