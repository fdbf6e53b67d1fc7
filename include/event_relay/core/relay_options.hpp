// SPDX-License-Identifier: MIT
// Everything that a relay is made of besides the events and their handler. Each part has a default; each
// `with_*` returns the options with that part replaced.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "event_relay/core/backoff.hpp"
#include "event_relay/core/breadcrumb.hpp"
#include "event_relay/core/clock.hpp"
#include "event_relay/core/detail/options.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/event.hpp"
#include "event_relay/core/fault_injection.hpp"
#include "event_relay/core/notifier.hpp"
#include "event_relay/core/pacing.hpp"
#include "event_relay/core/random.hpp"

namespace event_relay {

/// The two names under which a relay's breadcrumbs appear.
struct breadcrumb_sources {
  /// For the steps of the loop: emitting an event, relaying it, its end.
  std::string relay = "relay";
  /// For the steps of an attempt: the handler's run and the notifications.
  std::string worker = "worker";
};

/// The parts, held by value. A part whose state the host wants to read is a handle to that state, as
/// `collecting_notifier` is. Made by `relay_options()`.
template <backoff_policy Backoff, fault_injection Faults, pacing_policy Pacing, clock Clock, random_source Random,
          breadcrumb_sink Sink, notifier Notifier, class DeadLetters>
class basic_relay_options {
  using parts = std::tuple<Backoff, Faults, Pacing, Clock, Random, Sink, Notifier, DeadLetters>;
  enum position : std::size_t {
    backoff_at,
    faults_at,
    pacing_at,
    clock_at,
    random_at,
    sink_at,
    notifier_at,
    dead_letters_at
  };

 public:
  basic_relay_options(attempt_number max_attempts, breadcrumb_sources sources, parts all)
      : max_attempts_{detail::require_an_attempt("relay_options", max_attempts)},
        sources_{std::move(sources)},
        parts_{std::move(all)} {}

  /// How many attempts an event gets before it is a dead letter. Throws std::invalid_argument for 0.
  basic_relay_options with_max_attempts(attempt_number most) && {
    max_attempts_ = detail::require_an_attempt("relay_options", most);
    return std::move(*this);
  }
  /// The names in the breadcrumbs' `source`; they may be any text, which is escaped.
  basic_relay_options with_sources(breadcrumb_sources sources) && {
    sources_ = std::move(sources);
    return std::move(*this);
  }
  /// How long an event waits after a failed attempt.
  template <backoff_policy Part>
  auto with_backoff(Part part) && {
    return std::move(*this).template with<backoff_at>(std::move(part));
  }
  /// Which attempts fail on purpose.
  template <fault_injection Part>
  auto with_faults(Part part) && {
    return std::move(*this).template with<faults_at>(std::move(part));
  }
  /// Whether the relay waits for the next attempt at all.
  template <pacing_policy Part>
  auto with_pacing(Part part) && {
    return std::move(*this).template with<pacing_at>(std::move(part));
  }
  /// The clock, which is read once for each attempt.
  template <clock Part>
  auto with_clock(Part part) && {
    return std::move(*this).template with<clock_at>(std::move(part));
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
  /// Where notifications go.
  template <notifier Part>
  auto with_notifier(Part part) && {
    return std::move(*this).template with<notifier_at>(std::move(part));
  }
  /// `receive(envelope, error)` is called for each event that becomes a dead letter, after its last
  /// breadcrumb; a generic callable serves all events. What it throws reaches the publisher's caller.
  template <class Part>
  auto with_dead_letters(Part receive) && {
    return std::move(*this).template with<dead_letters_at>(std::move(receive));
  }

  attempt_number max_attempts() const { return max_attempts_; }
  const breadcrumb_sources& sources() const { return sources_; }
  const Backoff& backoff() const { return std::get<backoff_at>(parts_); }
  const Faults& faults() const { return std::get<faults_at>(parts_); }
  Pacing& pacing() { return std::get<pacing_at>(parts_); }
  Clock& time() { return std::get<clock_at>(parts_); }
  Random& random() { return std::get<random_at>(parts_); }
  Sink& sink() { return std::get<sink_at>(parts_); }
  Notifier& notifications() { return std::get<notifier_at>(parts_); }
  DeadLetters& dead_letters() { return std::get<dead_letters_at>(parts_); }

 private:
  template <std::size_t Which, class Part>
  auto with(Part part) && {
    return detail::replace_part<Which>(std::move(parts_), std::move(part), [this]<class... Parts>(Parts&&... all) {
      return basic_relay_options<std::remove_cvref_t<Parts>...>{
          max_attempts_, std::move(sources_), {std::forward<Parts>(all)...}};
    });
  }

  attempt_number max_attempts_;
  breadcrumb_sources sources_;
  parts parts_;
};

/// The default: a dead letter is only reported, by its breadcrumbs and the relay's result.
struct ignore_dead_letters {
  template <event_type Event>
  void operator()(const worker_envelope<Event>&, std::string_view) const {}
};

/// The defaults: 3 attempts; exponential backoff from 1 s, reported but not waited for (`at_once`); no
/// faults; the machine's clock and random numbers; no breadcrumbs; notifications collected; dead letters
/// reported.
inline auto relay_options() {
  return basic_relay_options<exponential_backoff, no_faults, at_once, system_clock, process_random, null_sink,
                             collecting_notifier, ignore_dead_letters>{
      3, {}, {exponential_backoff{std::chrono::seconds{1}}, {}, {}, {}, {}, {}, {}, {}}};
}

}  // namespace event_relay
