// SPDX-License-Identifier: MIT
// What one event costs from publish to its outcome, beside the least that a hand-written loop would do for
// the same result. Read the ratios of one run: machines differ, and are noisy.
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <event_relay/event_relay.hpp>

#include "events.hpp"
#include "handler.hpp"
#include "support/recorded_copy.hpp"

namespace {

using namespace bookings;
using event_relay::relay_options;

booking_created sample_event() {
  event_relay::event_factory factory;
  return factory.make<booking_created>({.booking_id = "booking-0198c0de-4242",
                                        .customer_user_id = "guest-4242",
                                        .requested_service = "Resort Hotel, 3 nights",
                                        .status = "submitted",
                                        .customer_location = "PRT"});
}

/// Lines into memory, which is released when it has grown.
struct memory_writer {
  std::string* kept;
  void operator()(std::string_view line) const {
    if (kept->size() > 1'000'000) {
      kept->clear();
    }
    kept->append(line);
  }
};

/// After how many events the collected notifications are let go of.
constexpr std::size_t notifications_kept = 32;

/// A handler that notifies nobody, to measure the relay alone.
struct silent_handler {
  void operator()(const auto&) const {}
};

template <class Handler, class Options>
void publish(benchmark::State& state, Handler handler, Options options) {
  event_relay::collecting_notifier notifications;
  event_relay::relay relay{booking_events{}, std::move(handler), std::move(options).with_notifier(notifications)};
  const booking_created event = sample_event();
  std::size_t published = 0;
  for (auto _ : state) {
    auto result = relay.publish(event);
    benchmark::DoNotOptimize(result);
    if (++published % notifications_kept == 0) {
      notifications.take();
    }
  }
}

// The baselines: what a service would write by hand, without retries, policies or structure.

void hand_written_call(benchmark::State& state) {
  const booking_created event = sample_event();
  event_relay::system_clock clock;
  for (auto _ : state) {
    const event_relay::instant now = clock.now();
    event_relay::instant next = now + std::chrono::seconds{1};
    benchmark::DoNotOptimize(next);
    benchmark::DoNotOptimize(&event);
  }
}

void hand_written_notifications(benchmark::State& state) {
  const booking_created event = sample_event();
  event_relay::system_clock clock;
  const event_relay_test::recorded_copy copy;
  std::vector<event_relay::notification> kept;
  for (auto _ : state) {
    const event_relay::instant now = clock.now();
    using event_relay::notification_channel;
    const auto& booking = event.payload;
    kept.push_back({event_relay::email(booking.customer_user_id, copy.subject(event.name, booking),
                                       copy.body(event.name, notification_channel::email, booking)),
                    event.id, event.correlation, now});
    kept.push_back(
        {event_relay::push(booking.customer_user_id, copy.body(event.name, notification_channel::push, booking)),
         event.id, event.correlation, now});
    if (kept.size() == 2 * notifications_kept) {
      kept = {};
    }
    benchmark::DoNotOptimize(kept.data());
  }
}

// One line of the shape of the longest breadcrumb, by one plain fmt::format_to and nothing escaped.
void hand_written_line(benchmark::State& state) {
  const booking_created event = sample_event();
  const event_relay::instant now{std::chrono::milliseconds{1774000800999}};
  fmt::memory_buffer line;
  for (auto _ : state) {
    line.clear();
    const auto day = std::chrono::floor<std::chrono::days>(now);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss time{now - day};
    fmt::format_to(
        std::back_inserter(line),
        R"({{"source":"{}","event":"{}.worker-consume","correlationId":"{}","status":"{}","details":{{"eventId":"{}","bookingId":"{}",)"
        R"("replayed":{},"retry":{{"strategy":"{}","attempt":{},"maxAttempts":{},"backoffMs":{},)"
        R"("nextAttemptAt":"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z"}}}}}})"
        "\n",
        "worker", event.name, event.correlation.view(), "started", event.id, event.payload.booking_id, event.replayed,
        "deterministic-exponential-v1", 1, 3, 1000, static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
        static_cast<unsigned>(date.day()), time.hours().count(), time.minutes().count(), time.seconds().count(),
        time.subseconds().count());
    benchmark::DoNotOptimize(line.data());
  }
}

void processed_null_sink(benchmark::State& state) { publish(state, silent_handler{}, relay_options()); }

void processed_two_notifications(benchmark::State& state) {
  publish(state, booking_handler{event_relay_test::recorded_copy{}}, relay_options());
}

void processed_seven_breadcrumbs(benchmark::State& state) {
  std::string kept;
  publish(state, booking_handler{event_relay_test::recorded_copy{}},
          relay_options().with_sink(event_relay::json_lines_sink{memory_writer{&kept}, event_relay::no_timestamp{}}));
}

void processed_seven_breadcrumbs_with_timestamps(benchmark::State& state) {
  std::string kept;
  publish(state, booking_handler{event_relay_test::recorded_copy{}},
          relay_options().with_sink(event_relay::json_lines_sink{memory_writer{&kept}}));
}

void dead_letter_null_sink(benchmark::State& state) {
  publish(state, silent_handler{}, relay_options().with_faults(event_relay::fail_until{3}));
}

void dead_letter_eleven_breadcrumbs(benchmark::State& state) {
  std::string kept;
  publish(state, booking_handler{event_relay_test::recorded_copy{}},
          relay_options()
              .with_faults(event_relay::fail_until{3})
              .with_sink(event_relay::json_lines_sink{memory_writer{&kept}, event_relay::no_timestamp{}}));
}

void event_id(benchmark::State& state) {
  event_relay::process_ids ids;
  for (auto _ : state) {
    auto id = ids.next_id();
    benchmark::DoNotOptimize(id);
  }
}

void notification_id(benchmark::State& state) {
  const booking_created event = sample_event();
  const event_relay::notification queued{event_relay::push("guest-4242", "text"), event.id, event.correlation,
                                         event.occurred_at};
  for (auto _ : state) {
    auto id = queued.id();
    benchmark::DoNotOptimize(id);
  }
}

BENCHMARK(hand_written_call);
BENCHMARK(processed_null_sink);
BENCHMARK(hand_written_notifications);
BENCHMARK(processed_two_notifications);
BENCHMARK(hand_written_line);
BENCHMARK(processed_seven_breadcrumbs);
BENCHMARK(processed_seven_breadcrumbs_with_timestamps);
BENCHMARK(dead_letter_null_sink);
BENCHMARK(dead_letter_eleven_breadcrumbs);
BENCHMARK(event_id);
BENCHMARK(notification_id);

}  // namespace
BENCHMARK_MAIN();
