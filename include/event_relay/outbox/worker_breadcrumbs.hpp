// SPDX-License-Identifier: MIT
// What a worker says besides the trail of each event: of leases and stores, and of events that have no trail
// because they could not be decoded.
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

/// The steps, beside those that bear an event's name.
namespace outbox_steps {
inline constexpr std::string_view dead_letter = "outbox.dead-letter";          ///< without its handler having been run
inline constexpr std::string_view stale_settle = "outbox.stale-settle";        ///< an attempt's end was refused
inline constexpr std::string_view lease_lost = "outbox.lease-lost";            ///< another has the event by now
inline constexpr std::string_view run_too_long = "outbox.run-too-long";        ///< beyond its maximum run time
inline constexpr std::string_view orphans_put_off = "outbox.orphans-put-off";  ///< none can be alone for now
inline constexpr std::string_view heartbeat_failed = "outbox.heartbeat-failed";  ///< leases were not renewed
inline constexpr std::string_view release_failed = "outbox.release-failed";      ///< they will expire instead
inline constexpr std::string_view store_paused = "outbox.store-paused";          ///< the store failed; work waits
inline constexpr std::string_view store_resumed = "outbox.store-resumed";        ///< and goes on
inline constexpr std::string_view store_warning = "outbox.store-warning";        ///< something to look after
inline constexpr std::string_view stopped = "outbox.stopped";                    ///< and what was left, if anything
}  // namespace outbox_steps

/// Refers to the sink and the source names. As thread-safe as the sink.
template <breadcrumb_sink Sink>
class worker_breadcrumbs {
 public:
  worker_breadcrumbs(Sink& sink, const breadcrumb_sources& sources) : sink_{sink}, sources_{sources} {}

  /// Of no event in particular. Returns how many breadcrumbs were lost, 0 or 1; the others do the same.
  std::uint64_t log(std::string_view step, breadcrumb_status status, std::string_view text) {
    return record({.source = sources_.worker, .step = step, .correlation_id = {}, .status = status, .error = text});
  }

  /// Of an event, by name.
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

  /// The end of an attempt, once it is stored.
  template <class Finished>
  std::uint64_t settled(const Finished& done) {
    return std::visit(
        [&]<class Event>(const Event& event) -> std::uint64_t {
          if constexpr (std::is_same_v<Event, std::monostate>) {
            return dead_unseen(done.claim->record, done.decided);
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
  std::uint64_t dead_unseen(const event_record& stored, const decision& decided) {
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

  // What comes from a row is not to be trusted; sinks write a correlation id as it is.
  static std::string_view checked(std::string_view correlation) {
    const auto parsed = correlation_id::parse(correlation);
    return parsed && parsed->view() == correlation ? correlation : std::string_view{};
  }

  std::uint64_t record(const breadcrumb& logged) noexcept {
    try {
      sink_.record(logged);
      return 0;
    } catch (...) {
      return 1;
    }
  }

  Sink& sink_;
  const breadcrumb_sources& sources_;
};

}  // namespace event_relay
