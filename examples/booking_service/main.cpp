// SPDX-License-Identifier: MIT
// booking_service [OPTIONS] BOOKINGS.csv: plays a file of real bookings through the booking service, with
// an event_relay that carries what happened to the customers. The wiring of the whole is in `run`.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <event_relay/event_relay.hpp>

#include "booking.hpp"
#include "bookings_csv.hpp"
#include "events.hpp"
#include "file.hpp"
#include "handler.hpp"
#include "notification_log.hpp"
#include "options.hpp"
#include "service.hpp"
#include "summary.hpp"

namespace bookings {
namespace {

/// Publishes through a relay and counts what became of each event. Refers to both.
template <class Relay>
class counting_publisher {
 public:
  counting_publisher(Relay& relay, run_summary& run) : relay_{relay}, run_{run} {}

  template <event_relay::event_type Event>
  void publish(const Event& event) {
    const event_relay::relay_result result = relay_.publish(event);
    for (event_counts& counts : run_.by_event) {
      if (counts.name == Event::name) {
        ++counts.published;
        counts.processed += result.status == event_relay::attempt_status::processed ? 1 : 0;
        counts.dead_lettered += result.status == event_relay::attempt_status::dead_letter ? 1 : 0;
      }
    }
    run_.attempts += result.retry.attempt;
    run_.lost_breadcrumbs += result.lost_breadcrumbs;
  }

 private:
  Relay& relay_;
  run_summary& run_;
};

/// Ids that are the same in every run with the same seed: UUIDv7 of a clock that stands still.
struct repeatable_ids {
  struct still_clock {
    event_relay::instant now() const { return {}; }
  };
  event_relay::uuid_v7_source<still_clock, std::mt19937_64>* source;
  std::string next_id() const { return source->next_id(); }
};

/// One booking from its creation to its end. Each row is one request, with a correlation id of its own.
template <class Service, class Ids>
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

/// Throws file_error if a file would be written while another of the options reads or writes it.
void require_different_files(const options& chosen) {
  const auto is_same = [](const std::string& one, const std::string& other) {
    std::error_code ignored;  // of a file that is not there yet
    const bool is_device = std::filesystem::is_character_file(one, ignored);
    return !is_device && (one == other || std::filesystem::equivalent(one, other, ignored));
  };
  for (const auto* written : {&chosen.breadcrumbs, &chosen.notifications}) {
    if (*written && is_same(**written, chosen.input)) {
      throw file_error{fmt::format("{} would be overwritten while it is read", **written)};
    }
  }
  if (chosen.breadcrumbs && chosen.notifications && is_same(*chosen.breadcrumbs, *chosen.notifications)) {
    throw file_error{fmt::format("breadcrumbs and notifications cannot both go to {}", *chosen.breadcrumbs)};
  }
}

template <class Sink, class Ids>
run_summary play_all(const options& chosen, bookings_reader& reader, Sink sink, std::FILE* notifications, Ids ids) {
  run_summary run;
  const auto faults = [until = event_relay::fail_until{chosen.fail_until},
                       rate = event_relay::fail_at_rate{chosen.fail_rate, chosen.seed.value_or(0)}](
                          const event_relay::attempt_info& info) { return until(info) || rate(info); };
  event_relay::relay relay{booking_events{}, booking_handler{},
                           event_relay::relay_options()
                               .with_max_attempts(chosen.max_attempts)
                               .with_backoff(event_relay::exponential_backoff{chosen.base_backoff})
                               .with_faults(faults)
                               .with_sink(std::move(sink))
                               .with_notifier(notification_log{run.notifications, notifications})};
  counting_publisher publisher{relay, run};
  booking_table table;
  booking_service service{table, publisher, event_relay::system_clock{}, ids};

  progress shown;
  while (const auto next = reader.next()) {
    if (const auto* bad = std::get_if<bad_row>(&*next)) {
      shown.clear();
      fmt::print(stderr, "line {}: {}\n", bad->line, bad->reason);
      ++run.rejected_rows;
    } else {
      play(service, std::get<booking_row>(*next), ids);
    }
    shown.step();
  }
  shown.clear();
  for (const auto& [id, each] : table) {
    run.captured_cents += each.captured ? each.captured->amount_cents : 0;
  }
  return run;
}

template <class Sink>
run_summary play_with_ids(const options& chosen, bookings_reader& reader, Sink sink, std::FILE* notifications) {
  if (!chosen.seed) {
    return play_all(chosen, reader, std::move(sink), notifications, event_relay::process_ids{});
  }
  event_relay::uuid_v7_source source{repeatable_ids::still_clock{}, std::mt19937_64{*chosen.seed}};
  return play_all(chosen, reader, std::move(sink), notifications, repeatable_ids{&source});
}

int run(const options& chosen) {
  const auto start = std::chrono::steady_clock::now();
  std::optional<file> input;
  std::optional<file> breadcrumbs;
  std::optional<file> notifications;
  std::optional<bookings_reader> reader;
  try {
    require_different_files(chosen);
    if (chosen.input != "-") {
      input.emplace(chosen.input, "r");
    }
    if (chosen.breadcrumbs) {
      breadcrumbs.emplace(*chosen.breadcrumbs, "w");
    }
    if (chosen.notifications) {
      notifications.emplace(*chosen.notifications, "w");
    }
    reader.emplace(input ? input->stream() : stdin);
  } catch (const file_error& error) {
    fmt::print(stderr, "booking_service: {}\n", error.what());
    return 2;
  } catch (const unreadable_csv& error) {
    fmt::print(stderr, "booking_service: {}: {}\n", chosen.input, error.what());
    return 2;
  }
  std::FILE* const notification_stream = notifications ? notifications->stream() : nullptr;
  run_summary done =
      breadcrumbs ? play_with_ids(chosen, *reader,
                                  event_relay::json_lines_sink{event_relay::stream_writer{breadcrumbs->stream()}},
                                  notification_stream)
                  : play_with_ids(chosen, *reader, event_relay::null_sink{}, notification_stream);
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
