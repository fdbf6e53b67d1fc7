// SPDX-License-Identifier: MIT
// The breadcrumbs of one event, in the words of the wire: which details belong to which step is written
// here and nowhere else. A sink that throws is counted, and never disturbs the event.
#pragma once

#include <cstddef>
#include <string_view>

#include "event_relay/core/breadcrumb.hpp"
#include "event_relay/core/decision.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/event.hpp"
#include "event_relay/core/notification.hpp"
#include "event_relay/core/payload.hpp"
#include "event_relay/core/relay_options.hpp"

namespace event_relay {

/// Refers to the event, the sink and the source names, and lives as long as one call of the relay.
template <event_type Event, breadcrumb_sink Sink>
class breadcrumb_trail {
  using names = typename Event::names;

 public:
  breadcrumb_trail(const Event& event, Sink& sink, const breadcrumb_sources& sources)
      : event_{event}, sink_{sink}, sources_{sources}, references_{event_relay::references(event.payload)} {}

  /// Breadcrumbs that the sink threw away, by throwing.
  std::size_t lost() const { return lost_; }

  void emitted() {
    breadcrumb logged = start(sources_.relay, names::emit_step, breadcrumb_status::succeeded);
    logged.event_name = Event::name;
    logged.references = references_;
    logged.replayed = event_.replayed;
    record(logged);
  }

  void attempt_started(const retry_metadata& planned) {
    breadcrumb logged = start(sources_.worker, names::attempt_step, breadcrumb_status::started);
    logged.references = references_;
    logged.replayed = event_.replayed;
    logged.retry = &planned;
    record(logged);
  }

  void attempt_ended(const decision& decided) {
    breadcrumb logged = start(sources_.worker, names::attempt_step, status_of(decided.status));
    if (decided.status != attempt_status::processed) {
      logged.outcome = decided.status;
    }
    add_decision(logged, decided);
    logged.error = decided.error;
    record(logged);
  }

  void notification_queued(const notification& queued) {
    const bool is_email = queued.content.channel == notification_channel::email;
    breadcrumb logged = start(sources_.worker, is_email ? names::email_queued_step : names::push_queued_step,
                              breadcrumb_status::succeeded);
    logged.references = references_;
    logged.queued = &queued;
    record(logged);
  }

  /// After every attempt: `started` while more are to come.
  void attempt_relayed(const decision& decided) {
    const bool goes_on = decided.status == attempt_status::retry_scheduled;
    relay_step(names::relay_attempt_step, goes_on ? breadcrumb_status::started : status_of(decided.status), decided);
  }

  /// The last one of an event; `retrying` if the relay was stopped before the end.
  void relayed(const decision& decided) { relay_step(names::relay_step, status_of(decided.status), decided); }

 private:
  static constexpr breadcrumb_status status_of(attempt_status status) {
    switch (status) {
      case attempt_status::processed: return breadcrumb_status::succeeded;
      case attempt_status::retry_scheduled: return breadcrumb_status::retrying;
      case attempt_status::dead_letter: break;
    }
    return breadcrumb_status::failed;
  }

  breadcrumb start(std::string_view source, std::string_view step, breadcrumb_status status) const {
    return {.source = source,
            .step = step,
            .correlation_id = event_.correlation.view(),
            .status = status,
            .event_id = event_.id};
  }

  static void add_decision(breadcrumb& logged, const decision& decided) {
    logged.retry = &decided.retry;
    logged.dead_letter = decided.dead_letter ? &*decided.dead_letter : nullptr;
  }

  void relay_step(std::string_view step, breadcrumb_status status, const decision& decided) {
    breadcrumb logged = start(sources_.relay, step, status);
    logged.worker_status = decided.status;
    add_decision(logged, decided);
    record(logged);
  }

  void record(const breadcrumb& logged) noexcept {
    try {
      sink_.record(logged);
    } catch (...) {
      ++lost_;
    }
  }

  const Event& event_;
  Sink& sink_;
  const breadcrumb_sources& sources_;
  decltype(event_relay::references(event_.payload)) references_;
  std::size_t lost_ = 0;
};

}  // namespace event_relay
