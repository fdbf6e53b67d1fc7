// SPDX-License-Identifier: MIT
// What the benchmarks of outboxes measure, whatever the database.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>
#include <event_relay/event_relay.hpp>

#include "benchmark/measure.hpp"
#include "events.hpp"

namespace event_relay_benchmark {

using bookings::booking_created;
using microseconds = std::chrono::duration<double, std::micro>;

inline std::vector<booking_created> make_events(std::size_t count) {
  event_relay::event_factory factory;
  std::vector<booking_created> events;
  events.reserve(count);
  while (events.size() < count) {
    events.push_back(factory.make<booking_created>({.booking_id = "booking-0198c0de-4242",
                                                    .customer_user_id = "guest-4242",
                                                    .requested_service = "Resort Hotel, 3 nights",
                                                    .status = "submitted",
                                                    .customer_location = "PRT"}));
  }
  return events;
}

/// Looks at the event, and is done.
struct brief_handler {
  template <class Event>
  void operator()(const event_relay::worker_envelope<Event>& envelope) const {
    benchmark::DoNotOptimize(&envelope.event.payload);
  }
};

using batches = std::span<const std::span<const booking_created>>;

inline std::vector<std::span<const booking_created>> cut(std::span<const booking_created> all, std::size_t size) {
  std::vector<std::span<const booking_created>> parts;
  for (; !all.empty(); all = all.subspan(size)) {
    parts.push_back(all.first(size));
  }
  return parts;
}

/// Says when it began.
struct timing_handler {
  std::atomic<steady::rep>* began;

  template <class Event>
  void operator()(const event_relay::worker_envelope<Event>&) const {
    began->store(steady::now().time_since_epoch().count());
    began->notify_one();
  }
};

// From the return of the host's commit to the start of the handler, in a worker that slept; beside it, one claim
// and its commit, of an event that was appended as shortly before.
template <class Library, class ByHand>
void idle_commit_to_handler(benchmark::State& state, Library& library, ByHand& by_hand,
                            std::atomic<steady::rep>& began) {
  const std::jthread running{[&](const std::stop_token& stop) { library.run(stop); }};

  std::vector<double> latency;
  std::vector<double> claim_commit;
  std::vector<double> above;
  for (auto _ : state) {
    const std::vector<booking_created> event = make_events(1);
    while (library.has_unfinished()) {
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{5});  // for the worker to fall asleep
    began = 0;
    library.append(event);
    const auto committed = steady::now();
    began.wait(0);
    const auto handled = steady::time_point{steady::duration{began.load()}};
    latency.push_back(microseconds{handled - committed}.count());

    by_hand.append(event);
    claim_commit.push_back(1e6 * measured([&] { by_hand.claim(100); }).wall);
    by_hand.settle();
    above.push_back(latency.back() - claim_commit.back());
    state.SetIterationTime(1e-6 * latency.back());
  }
  state.counters["commit_to_handler_us"] = median(latency);
  state.counters["claim_commit_us"] = median(claim_commit);
  state.counters["above_us"] = median(above);
}

}  // namespace event_relay_benchmark
