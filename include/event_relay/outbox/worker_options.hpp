// SPDX-License-Identifier: MIT
// How a worker works: the policies of attempts, as for the in-process relay, and how much it claims and runs
// at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "event_relay/core/backoff.hpp"
#include "event_relay/core/breadcrumb.hpp"
#include "event_relay/core/detail/options.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/event.hpp"
#include "event_relay/core/fault_injection.hpp"
#include "event_relay/core/random.hpp"
#include "event_relay/core/relay_options.hpp"
#include "event_relay/outbox/family_limits.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/worker_observer.hpp"

namespace event_relay {

/// The numbers and times of a worker.
struct worker_limits {
  /// How many attempts an event gets before it is a dead letter; the same as the in-process relay's.
  attempt_number max_attempts = 3;
  /// Attempts at a time. One, as a handler is not known to be thread-safe until the host says so.
  std::size_t threads = 1;
  /// Events of one claim. They are settled together, and a crash makes orphans of all that were unsettled.
  /// With a hundred the cost of a commit for each event is so low that more would gain little.
  std::size_t batch = 100;
  /// How long a lease holds without a heartbeat, and so how long it takes until a crashed worker's events are
  /// claimed again. Long enough for a machine that stalls, short enough for a crash to delay little.
  std::chrono::milliseconds lease{std::chrono::seconds{30}};
  /// The longest run of an attempt, unless `max_run_time_of` has another for its event. What takes longer
  /// most likely hangs.
  std::chrono::milliseconds max_run_time{std::chrono::minutes{5}};
  /// By the event's name.
  std::map<std::string, std::chrono::milliseconds, std::less<>> max_run_time_of = {};
  /// Limits on the attempts at a time, and a second, on events of one type; by default none.
  family_limits families = {};
  /// What becomes of the key of an event that becomes a dead letter. Released, as one bad event should not
  /// stop all others of its key.
  key_after_dead_letter key = key_after_dead_letter::released;
  /// How often an idle worker claims without being woken, and so how late it may find an event that another
  /// process appended.
  std::chrono::milliseconds poll_interval{std::chrono::seconds{1}};
  /// How long attempts may go on after a stop was requested, until they are asked to stop as well. Less than
  /// the time that service managers grant between SIGTERM and SIGKILL.
  std::chrono::milliseconds stop_deadline{std::chrono::seconds{10}};

  std::chrono::milliseconds max_run_time_for(std::string_view event_name) const {
    const auto found = max_run_time_of.find(event_name);
    return found == max_run_time_of.end() ? max_run_time : found->second;
  }
};

/// The limits, and the parts, held by value. Made by `worker_options()`. Each `with_*` throws
/// std::invalid_argument for a value out of its range.
template <backoff_policy Backoff, fault_injection Faults, random_source Random, breadcrumb_sink Sink,
          worker_observer Observer>
class basic_worker_options {
  using parts = std::tuple<Backoff, Faults, Random, Sink, Observer>;
  enum position : std::size_t { backoff_at, faults_at, random_at, sink_at, observer_at };
  using milliseconds = std::chrono::milliseconds;

 public:
  basic_worker_options(worker_limits limits, breadcrumb_sources sources, parts all)
      : limits_{std::move(limits)}, sources_{std::move(sources)}, parts_{std::move(all)} {}

  /// How many attempts an event gets before it is a dead letter, 1 or more.
  basic_worker_options with_max_attempts(attempt_number most) && {
    limits_.max_attempts = detail::require_an_attempt("worker_options", most);
    return std::move(*this);
  }
  /// 1 to 1024.
  basic_worker_options with_threads(std::size_t count) && {
    limits_.threads = require("threads", count, std::size_t{1}, std::size_t{1024});
    return std::move(*this);
  }
  /// 1 to 10000.
  basic_worker_options with_batch(std::size_t events) && {
    limits_.batch = require("batch", events, std::size_t{1}, std::size_t{10'000});
    return std::move(*this);
  }
  /// 30 ms to a day; the heartbeat comes every third of it.
  basic_worker_options with_lease(milliseconds length) && {
    limits_.lease = require("lease", length, milliseconds{30}, day);
    return std::move(*this);
  }
  /// 1 ms to a day, for every event that has no maximum of its own.
  basic_worker_options with_max_run_time(milliseconds most) && {
    limits_.max_run_time = require("max_run_time", most, milliseconds{1}, day);
    return std::move(*this);
  }
  /// The same, for events of type `Event`.
  template <event_type Event>
  basic_worker_options with_max_run_time(milliseconds most) && {
    limits_.max_run_time_of[std::string{Event::name}] = require("max_run_time", most, milliseconds{1}, day);
    return std::move(*this);
  }
  /// Limits shared by all workers that are given a copy of them.
  basic_worker_options with_family_limits(family_limits limits) && {
    limits_.families = std::move(limits);
    return std::move(*this);
  }
  /// What becomes of the later events of a key whose event has become a dead letter.
  basic_worker_options with_key_after_dead_letter(key_after_dead_letter is) && {
    limits_.key = is;
    return std::move(*this);
  }
  /// 1 ms to a day.
  basic_worker_options with_poll_interval(milliseconds every) && {
    limits_.poll_interval = require("poll_interval", every, milliseconds{1}, day);
    return std::move(*this);
  }
  /// 0 to a day.
  basic_worker_options with_stop_deadline(milliseconds after) && {
    limits_.stop_deadline = require("stop_deadline", after, milliseconds{0}, day);
    return std::move(*this);
  }
  /// The names in the breadcrumbs' `source`; they may be any text, which is escaped.
  basic_worker_options with_sources(breadcrumb_sources sources) && {
    sources_ = std::move(sources);
    return std::move(*this);
  }
  /// How long an event waits after a failed attempt, from when that is stored.
  template <backoff_policy Part>
  auto with_backoff(Part part) && {
    return std::move(*this).template with<backoff_at>(std::move(part));
  }
  /// Which attempts fail on purpose; `notification.email` and `notification.push` are events as well.
  template <fault_injection Part>
  auto with_faults(Part part) && {
    return std::move(*this).template with<faults_at>(std::move(part));
  }
  /// The random numbers of jitter.
  template <random_source Part>
  auto with_random(Part part) && {
    return std::move(*this).template with<random_at>(std::move(part));
  }
  /// Where breadcrumbs go.
  template <breadcrumb_sink Part>
  auto with_sink(Part part) && {
    return std::move(*this).template with<sink_at>(std::move(part));
  }
  /// Hooks that are called as the worker works.
  template <worker_observer Part>
  auto with_observer(Part part) && {
    return std::move(*this).template with<observer_at>(std::move(part));
  }

  const worker_limits& limits() const { return limits_; }
  const breadcrumb_sources& sources() const { return sources_; }
  const Backoff& backoff() const { return std::get<backoff_at>(parts_); }
  const Faults& faults() const { return std::get<faults_at>(parts_); }
  Random& random() { return std::get<random_at>(parts_); }
  Sink& sink() { return std::get<sink_at>(parts_); }
  Observer& observer() { return std::get<observer_at>(parts_); }

 private:
  static constexpr milliseconds day{std::chrono::hours{24}};

  template <class Value>
  static Value require(std::string_view field, Value value, Value least, Value most) {
    const auto number = [](Value each) {
      if constexpr (std::is_same_v<Value, milliseconds>) {
        return fmt::format("{} ms", each.count());
      } else {
        return fmt::format("{}", each);
      }
    };
    if (value < least || value > most) {
      throw std::invalid_argument(
          fmt::format("worker_options: {} is {}, must be {} to {}", field, number(value), number(least), number(most)));
    }
    return value;
  }

  template <std::size_t Which, class Part>
  auto with(Part part) && {
    return detail::replace_part<Which>(std::move(parts_), std::move(part), [this]<class... Parts>(Parts&&... all) {
      return basic_worker_options<std::remove_cvref_t<Parts>...>{
          std::move(limits_), std::move(sources_), {std::forward<Parts>(all)...}};
    });
  }

  worker_limits limits_;
  breadcrumb_sources sources_;
  parts parts_;
};

/// The defaults: one thread, batches of 100, a lease of 30 s, 3 attempts; exponential backoff from 1 s; no
/// faults; the process's random numbers; no breadcrumbs; no observer.
inline auto worker_options() {
  return basic_worker_options<exponential_backoff, no_faults, process_random, null_sink, no_observer>{
      {}, {}, {exponential_backoff{std::chrono::seconds{1}}, {}, {}, {}, {}}};
}

}  // namespace event_relay
