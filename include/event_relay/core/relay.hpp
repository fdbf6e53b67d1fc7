// SPDX-License-Identifier: MIT
// The loop in process: it attempts an event until it is processed or a dead letter. It runs on the caller's
// thread and stores nothing, so a crash loses what it has not finished.
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "event_relay/core/breadcrumb_trail.hpp"
#include "event_relay/core/decision.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/event.hpp"
#include "event_relay/core/event_catalog.hpp"
#include "event_relay/core/fault_injection.hpp"
#include "event_relay/core/handler.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/core/notification.hpp"
#include "event_relay/core/outcome.hpp"
#include "event_relay/core/relay_options.hpp"

namespace event_relay {

namespace detail {

template <class Receiver, class Catalog>
inline constexpr bool receives_dead_letters = false;
template <class Receiver, class... Events>
inline constexpr bool receives_dead_letters<Receiver, event_catalog<Events...>> =
    (std::invocable<Receiver&, const worker_envelope<Events>&, std::string_view> && ...);

}  // namespace detail

/// What the last attempt on an event led to. Its status is retry_scheduled only after `relay::attempt`, or if
/// the relay was stopped; the event has then not ended.
struct relay_result : decision {
  /// How many breadcrumbs were lost because the sink threw.
  std::size_t lost_breadcrumbs = 0;
};

/// Carries every event of `Catalog` to its end, on the thread that publishes. As thread-safe as the
/// handler and the parts of its options; the defaults are. A handler may publish further events.
template <catalog Catalog, class Handler, class Options = decltype(relay_options())>
class relay {
  static_assert(detail::handles_all<Handler, Catalog>);

 public:
  relay(Catalog, Handler handler, Options options = relay_options())
      : handler_{std::move(handler)}, options_{std::move(options)} {
    static_assert(
        detail::receives_dead_letters<std::remove_reference_t<decltype(options.dead_letters())>, Catalog>,
        "event_relay: the receiver of dead letters must take (const worker_envelope<Event>&, std::string_view) "
        "for every event of the catalog");
  }

  /// Attempts `event` until it is processed or a dead letter, or until `stop` is requested between two
  /// attempts. What a handler, a notifier or a sink throws never leaves it; what another injected part throws
  /// does. **Delivery**: the handler runs at least once (unless faults are injected into all attempts), and
  /// again after each attempt that failed, even if only the notifier failed; a crash of the process loses the
  /// event.
  template <event_type Event>
  relay_result publish(const Event& event, const std::stop_token& stop = {}) {
    Catalog::template require<Event>();
    breadcrumb_trail trail{event, options_.sink(), options_.sources()};
    trail.emitted();
    decision decided = attempt_once(event, 1, trail);
    trail.attempt_relayed(decided);
    while (decided.status == attempt_status::retry_scheduled && options_.pacing().wait(decided.retry, stop)) {
      decided = attempt_once(event, decided.retry.attempt + 1, trail);
      trail.attempt_relayed(decided);
    }
    trail.relayed(decided);
    return finish(event, std::move(decided), trail.lost());
  }

  /// One attempt on `event`, and no further one: for a host that keeps the count and the time itself.
  /// Throws std::invalid_argument for attempt 0, and as `publish` does.
  template <event_type Event>
  relay_result attempt(const Event& event, attempt_number number) {
    Catalog::template require<Event>();
    if (number == 0) {
      throw std::invalid_argument("relay: attempt is 0, must be 1 or more");
    }
    breadcrumb_trail trail{event, options_.sink(), options_.sources()};
    decision decided = attempt_once(event, number, trail);
    return finish(event, std::move(decided), trail.lost());
  }

 private:
  template <event_type Event, class Trail>
  decision attempt_once(const Event& event, attempt_number number, Trail& trail) {
    const instant now = options_.time().now();
    const worker_envelope<Event> envelope{
        event, plan_attempt(number, options_.max_attempts(), options_.backoff(), now, options_.random())};
    trail.attempt_started(envelope.retry);

    outcome result = options_.faults()(attempt_info{Event::name, event.id, number})
                         ? outcome{retry{}}
                         : invoke_handler(handler_, envelope);
    const std::vector<notification> queued = notify_all(event, result, now);

    decision decided = decide(envelope.retry, std::move(result), Event::names::dead_letter_queue, now);
    trail.attempt_ended(decided);
    for (const notification& each : queued) {
      trail.notification_queued(each);
    }
    return decided;
  }

  // Returns what the notifier has accepted. If the notifier fails, so does the attempt: `result` becomes a
  // retry, and the next attempt passes all of them again, with the same ids.
  template <event_type Event>
  std::vector<notification> notify_all(const Event& event, outcome& result, instant now) {
    std::vector<notification> queued;
    if (auto* done = std::get_if<processed>(&result); done != nullptr) {
      try {
        if constexpr (!records_nothing) {
          queued.reserve(done->notifications().size());
        }
        for (notification_request& request : std::move(*done).notifications()) {
          if constexpr (records_nothing) {
            options_.notifications().notify(notification{std::move(request), event.id, event.correlation, now});
          } else {
            queued.push_back({std::move(request), event.id, event.correlation, now});
            options_.notifications().notify(std::as_const(queued.back()));
          }
        }
      } catch (...) {
        result = detail::failure_from_exception("the notifier threw something that is not a std::exception");
        queued.clear();
      }
    }
    return queued;
  }

  template <event_type Event>
  relay_result finish(const Event& event, decision decided, std::size_t lost_breadcrumbs) {
    if (decided.dead_letter) {
      options_.dead_letters()(worker_envelope<Event>{event, decided.retry, decided.dead_letter},
                              std::string_view{decided.error});
    }
    return {std::move(decided), lost_breadcrumbs};
  }

  // Where no breadcrumb needs a notification afterwards, it is moved into the notifier instead of copied,
  // which saves a quarter of the instructions of an event with two of them.
  static constexpr bool records_nothing =
      std::same_as<std::remove_reference_t<decltype(std::declval<Options&>().sink())>, null_sink>;

  Handler handler_;
  Options options_;
};

}  // namespace event_relay
