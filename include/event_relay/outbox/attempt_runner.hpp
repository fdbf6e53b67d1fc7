// SPDX-License-Identifier: MIT
// One attempt on a stored event: decode it, run its handler, decide, and make the settlement for the store.
// It stores nothing itself, and never throws because of an event, its payload or its handler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/breadcrumb.hpp"
#include "event_relay/core/breadcrumb_trail.hpp"
#include "event_relay/core/correlation_id.hpp"
#include "event_relay/core/decision.hpp"
#include "event_relay/core/detail/short_text.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/event.hpp"
#include "event_relay/core/event_catalog.hpp"
#include "event_relay/core/fault_injection.hpp"
#include "event_relay/core/handler.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/core/notification.hpp"
#include "event_relay/core/outcome.hpp"
#include "event_relay/outbox/durable_outcome.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/notification_events.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/worker_observer.hpp"

namespace event_relay {

namespace detail {

template <class Catalog>
struct any_event_of;
template <class... Events>
struct any_event_of<event_catalog<Events...>> {
  // monostate is for an event that could not be decoded.
  using type = std::variant<std::monostate, Events...>;
};

}  // namespace detail

/// An attempt that was made.
template <class Catalog, class Transaction>
struct finished_attempt {
  /// Refers to the claim, which must outlive it.
  const claimed_event* claim = nullptr;
  typename detail::any_event_of<Catalog>::type event;
  decision decided;
  instant started = {};
  /// In the order of the follow-ups; only for breadcrumbs.
  std::vector<notification> queued;
  settlement<Transaction> to_settle;
};

/// Refers to the outbox, the handler and the options of a worker. As thread-safe as they are.
template <class Outbox, class Handler, class Options>
class attempt_runner {
  using catalog_type = typename Outbox::catalog_type;
  using transaction = typename Outbox::store_type::transaction;
  using outcome_type = durable_outcome<transaction>;

 public:
  using finished = finished_attempt<catalog_type, transaction>;

  /// The longest text that is kept of a failure, in bytes.
  static constexpr std::size_t max_failure_text = 2000;

  attempt_runner(Outbox& outbox, Handler& handler, Options& options)
      : outbox_{outbox}, handler_{handler}, options_{options} {}

  /// Breadcrumbs that were lost because the sink threw are added to `lost`.
  finished run(const claimed_event& claim, instant now, const std::stop_token& stop, std::uint64_t& lost) {
    finished done{.claim = &claim, .event = {}, .decided = {}, .started = now, .queued = {}, .to_settle = {}};
    const bool is_known =
        with_event_named(claim.record.name, [&]<class Event> { run_as<Event>(done, now, stop, lost); });
    if (!is_known) {
      const std::string_view no_queue;
      done.decided =
          decide_dead_letter(plan(claim, now), dead_letter_reason::undecodable,
                             fmt::format("the catalog has no event \"{}\"", claim.record.name), no_queue, now);
      write_settlement(done);
    }
    return done;
  }

  /// Makes a failed attempt of one whose end could not be stored, because the handler's own write failed.
  void fail(finished& done, std::string error) const {
    done.decided = decide(done.decided.retry, retry{std::move(error)}, queue_of(done), done.started);
    done.queued.clear();
    done.to_settle = {};
    write_settlement(done);
  }

 private:
  retry_metadata plan(const claimed_event& claim, instant now) const {
    return plan_attempt(claim.attempt, options_.limits().max_attempts, options_.backoff(), now, options_.random());
  }

  template <event_type Event>
  void run_as(finished& done, instant now, const std::stop_token& stop, std::uint64_t& lost) {
    const claimed_event& claim = *done.claim;
    constexpr std::string_view queue = Event::names::dead_letter_queue;
    retry_metadata planned = plan(claim, now);
    if (claim.crashed && claim.attempt > planned.max_attempts) {
      // The last attempt ended the process, so this one is not made. The store has recorded that failure.
      planned.attempt = claim.attempt - 1;
      done.decided =
          decide_dead_letter(planned, dead_letter_reason::max_attempts_exhausted, "lease expired", queue, now);
      write_settlement(done);
      done.to_settle.failure.reset();
      return;
    }
    try {
      done.event.template emplace<Event>(decode<Event>(claim.record));
    } catch (...) {
      done.decided =
          decide_dead_letter(planned, dead_letter_reason::undecodable,
                             detail::failure_from_exception("the payload cannot be decoded").reason, queue, now);
      write_settlement(done);
      return;
    }
    const Event& event = std::get<Event>(done.event);
    breadcrumb_trail trail{event, options_.sink(), options_.sources()};
    if (claim.attempt == 1) {
      trail.emitted();
    }
    trail.attempt_started(planned);
    lost += trail.lost();

    options_.observer().on_run_started(claim, now);
    outcome_type answer = attempt(event, claim, planned, stop);
    if constexpr (!std::is_same_v<std::remove_reference_t<decltype(options_.observer())>, no_observer>) {
      options_.observer().on_run_ended(claim, outbox_.store().now());
    }

    make_follow_ups(done, event, answer, now);
    const bool is_processed = std::holds_alternative<processed>(answer.result());
    done.decided = decide(planned, std::move(answer.result()), queue, now);
    if (is_processed) {
      done.to_settle.write = std::move(answer.write());
    }
    write_settlement(done);
  }

  template <event_type Event>
  outcome_type attempt(const Event& event, const claimed_event& claim, const retry_metadata& planned,
                       const std::stop_token& stop) {
    if (options_.faults()(attempt_info{Event::name, event.id, planned.attempt})) {
      return retry{};
    }
    const event_record& record = claim.record;
    const outbox_context context{claim.held.token, record.caused_by, record.trace, record.source, stop};
    return invoke_handler<Event, outcome_type>(handler_,
                                               worker_envelope<Event>{event, planned, std::nullopt, &context});
  }

  template <event_type Event>
  Event decode(const event_record& record) const {
    auto correlation = correlation_id::parse(record.correlation_id);
    if (!correlation) {
      throw std::runtime_error("the row's correlation id is none");  // not its text, which is not to be trusted
    }
    return Event{typename Event::base_event{
        .id = record.id,
        .occurred_at = record.occurred_at,
        .correlation = *std::move(correlation),
        .replayed = record.replayed,
        .payload = outbox_.codec().template decode<typename Event::payload_type>(record.payload)}};
  }

  // Makes events of the notifications that the handler asked for; if one cannot be made, the attempt has
  // failed.
  template <event_type Event>
  void make_follow_ups(finished& done, const Event& event, outcome_type& answer, instant now) const {
    auto* const asked = std::get_if<processed>(&answer.result());
    if (asked == nullptr || asked->notifications().empty()) {
      return;
    }
    try {
      for (notification_request& request : std::move(*asked).notifications()) {
        done.queued.push_back({std::move(request), event.id, event.correlation, now});
        done.to_settle.follow_ups.push_back(follow_up(done.claim->record, done.queued.back()));
      }
    } catch (...) {
      done.queued.clear();
      done.to_settle.follow_ups.clear();
      answer = outcome_type{detail::failure_from_exception("a follow-up event could not be made")};
    }
  }

  event_record follow_up(const event_record& cause, const notification& queued) const {
    return queued.content.channel == notification_channel::email ? follow_up_as<email_notification>(cause, queued)
                                                                 : follow_up_as<push_notification>(cause, queued);
  }

  template <event_type Event>
  event_record follow_up_as(const event_record& cause, const notification& queued) const {
    if constexpr (catalog_type::template contains<Event>) {
      const notification_request& content = queued.content;
      return {.id = queued.id().to_string(),
              .name = std::string{Event::name},
              .payload = outbox_.codec().encode(
                  notification_payload{content.recipient, content.subject, content.body, content.discriminator}),
              .occurred_at = queued.queued_at,
              .correlation_id = cause.correlation_id,
              .replayed = cause.replayed,
              .caused_by = cause.id,
              .trace = cause.trace,
              .source = cause.source};
    } else {
      throw std::logic_error(fmt::format("the catalog does not list {}, which the handler asked for", Event::name));
    }
  }

  void write_settlement(finished& done) const {
    settlement<transaction>& written = done.to_settle;
    written.held = done.claim->held;
    written.name = done.claim->record.name;
    written.ordering_key = done.claim->record.ordering_key;
    written.status = done.decided.status;
    written.attempt = done.decided.retry.attempt;
    written.delay = done.decided.retry.backoff;
    written.has_history = done.claim->failures > 0;
    if (done.decided.dead_letter) {
      written.reason = done.decided.dead_letter->reason;
      written.key = options_.limits().key;
    }
    if (done.decided.status != attempt_status::processed) {
      written.failure = detail::shortened(done.decided.error, max_failure_text);
    }
  }

  static std::string_view queue_of(const finished& done) {
    std::string_view queue;
    with_event_named(done.claim->record.name, [&]<class Event> { queue = Event::names::dead_letter_queue; });
    return queue;
  }

  // Calls `visit<Event>()` for the event of this name; false if the catalog has none.
  template <class Visit>
  static bool with_event_named(std::string_view name, Visit visit) {
    bool is_known = false;
    catalog_type::for_each([&]<class Event> {
      if (!is_known && name == Event::name) {
        is_known = true;
        visit.template operator()<Event>();
      }
    });
    return is_known;
  }

  Outbox& outbox_;
  Handler& handler_;
  Options& options_;
};

}  // namespace event_relay
