// SPDX-License-Identifier: MIT
// A worker's breadcrumbs besides the trail of each event: of leases and stores, and of events that have no
// trail because they could not be decoded.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>
#include <variant>

#include "event_relay/core/breadcrumb.hpp"
#include "event_relay/core/breadcrumb_trail.hpp"
#include "event_relay/core/correlation_id.hpp"
#include "event_relay/core/decision.hpp"
#include "event_relay/core/relay_options.hpp"
#include "event_relay/outbox/event_record.hpp"

namespace event_relay {

/// The steps that do not begin with an event's name.
namespace outbox_steps {
inline constexpr std::string_view dead_letter = "outbox.dead-letter";    ///< of an event that could not be decoded
inline constexpr std::string_view stale_settle = "outbox.stale-settle";  ///< an attempt's end was not stored
inline constexpr std::string_view lease_lost = "outbox.lease-lost";      ///< another worker may have the event by now
inline constexpr std::string_view run_too_long = "outbox.run-too-long";  ///< an attempt exceeds its maximum run time
inline constexpr std::string_view orphans_put_off = "outbox.orphans-put-off";    ///< none can be isolated for now
inline constexpr std::string_view heartbeat_failed = "outbox.heartbeat-failed";  ///< leases were not renewed
inline constexpr std::string_view release_failed = "outbox.release-failed";      ///< the leases will expire instead
inline constexpr std::string_view store_paused =
    "outbox.store-paused";  ///< the store failed; work waits until it can go on
inline constexpr std::string_view store_resumed = "outbox.store-resumed";  ///< the store works again
inline constexpr std::string_view store_warning = "outbox.store-warning";  ///< what the store's `warning` returned
inline constexpr std::string_view stopped = "outbox.stopped";  ///< the worker has stopped; what it left, if anything
}  // namespace outbox_steps

/// Refers to the sink and the source names. As thread-safe as the sink.
template <breadcrumb_sink Sink>
class worker_breadcrumbs {
 public:
  worker_breadcrumbs(Sink& sink, const breadcrumb_sources& sources) : sink_{sink}, sources_{sources} {}

  /// A breadcrumb of no event. Returns how many breadcrumbs were lost, 0 or 1; the functions below do the
  /// same.
  std::uint64_t log(std::string_view step, breadcrumb_status status, std::string_view text) {
    return record({.source = sources_.worker, .step = step, .correlation_id = {}, .status = status, .error = text});
  }

  /// A breadcrumb of one event.
  std::uint64_t log_of(std::string_view step, breadcrumb_status status, std::string_view name, std::string_view id,
                       std::string_view correlation, std::string_view text) {
    return record({.source = sources_.worker,
                   .step = step,
                   .correlation_id = checked(correlation),
                   .status = status,
                   .event_name = name,
                   .event_id = id,
                   .error = text});
  }

  /// The breadcrumbs of an attempt's end, when it is stored.
  template <class Finished>
  std::uint64_t settled(const Finished& done) {
    return std::visit(
        [&]<class Event>(const Event& event) -> std::uint64_t {
          if constexpr (std::is_same_v<Event, std::monostate>) {
            return dead_letter_without_trail(done.claim->record, done.decided);
          } else {
            breadcrumb_trail trail{event, sink_, sources_};
            trail.attempt_ended(done.decided);
            for (const notification& each : done.queued) {
              trail.notification_queued(each);
            }
            trail.attempt_relayed(done.decided);
            if (done.decided.status != attempt_status::retry_scheduled) {
              trail.relayed(done.decided);
            }
            return trail.lost();
          }
        },
        done.event);
  }

 private:
  std::uint64_t dead_letter_without_trail(const event_record& stored, const decision& decided) {
    return record({.source = sources_.worker,
                   .step = outbox_steps::dead_letter,
                   .correlation_id = checked(stored.correlation_id),
                   .status = breadcrumb_status::failed,
                   .event_name = stored.name,
                   .event_id = stored.id,
                   .outcome = decided.status,
                   .retry = &decided.retry,
                   .dead_letter = decided.dead_letter ? &*decided.dead_letter : nullptr,
                   .error = decided.error});
  }

  // A sink writes a correlation id unescaped, and one from a row is not to be trusted.
  static std::string_view checked(std::string_view correlation) {
    const auto parsed = correlation_id::parse(correlation);
    return parsed && parsed->view() == correlation ? correlation : std::string_view{};
  }

  std::uint64_t record(const breadcrumb& recorded) noexcept {
    try {
      sink_.record(recorded);
      return 0;
    } catch (...) {
      return 1;
    }
  }

  Sink& sink_;
  const breadcrumb_sources& sources_;
};

}  // namespace event_relay
