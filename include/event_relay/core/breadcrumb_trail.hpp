// SPDX-License-Identifier: MIT
// The breadcrumbs of one event. Which details belong to which step is decided here and nowhere else. If the
// sink throws, the breadcrumb is counted as lost, and the event goes on.
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

  /// How many breadcrumbs were lost because the sink threw.
  std::size_t lost() const { return lost_; }

  void emitted() {
    breadcrumb recorded = start(sources_.relay, names::emit_step, breadcrumb_status::succeeded);
    recorded.event_name = Event::name;
    recorded.references = references_;
    recorded.replayed = event_.replayed;
    record(recorded);
  }

  void attempt_started(const retry_metadata& planned) {
    breadcrumb recorded = start(sources_.worker, names::attempt_step, breadcrumb_status::started);
    recorded.references = references_;
    recorded.replayed = event_.replayed;
    recorded.retry = &planned;
    record(recorded);
  }

  void attempt_ended(const decision& decided) {
    breadcrumb recorded = start(sources_.worker, names::attempt_step, status_of(decided.status));
    if (decided.status != attempt_status::processed) {
      recorded.outcome = decided.status;
    }
    add_decision(recorded, decided);
    recorded.error = decided.error;
    record(recorded);
  }

  void notification_queued(const notification& queued) {
    const bool is_email = queued.content.channel == notification_channel::email;
    breadcrumb recorded = start(sources_.worker, is_email ? names::email_queued_step : names::push_queued_step,
                                breadcrumb_status::succeeded);
    recorded.references = references_;
    recorded.queued = &queued;
    record(recorded);
  }

  /// Recorded after every attempt; its status is `started` while another attempt follows.
  void attempt_relayed(const decision& decided) {
    const bool goes_on = decided.status == attempt_status::retry_scheduled;
    relay_step(names::relay_attempt_step, goes_on ? breadcrumb_status::started : status_of(decided.status), decided);
  }

  /// The last breadcrumb of an event; its status is `retrying` if the relay was stopped before the event's
  /// end.
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

  static void add_decision(breadcrumb& recorded, const decision& decided) {
    recorded.retry = &decided.retry;
    recorded.dead_letter = decided.dead_letter ? &*decided.dead_letter : nullptr;
  }

  void relay_step(std::string_view step, breadcrumb_status status, const decision& decided) {
    breadcrumb recorded = start(sources_.relay, step, status);
    recorded.worker_status = decided.status;
    add_decision(recorded, decided);
    record(recorded);
  }

  void record(const breadcrumb& recorded) noexcept {
    try {
      sink_.record(recorded);
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
