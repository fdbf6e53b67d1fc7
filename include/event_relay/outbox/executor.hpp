// SPDX-License-Identifier: MIT
// What one thread of a worker does: claim, attempt, settle, and claim again in the same transaction. After an
// error of the store it still holds what it had, and the next step continues from there.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/breadcrumb.hpp"
#include "event_relay/core/decision.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/attempt_runner.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/family_reservation.hpp"
#include "event_relay/outbox/isolation_lock.hpp"
#include "event_relay/outbox/lease_manager.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/outbox/worker_breadcrumbs.hpp"
#include "event_relay/outbox/worker_report.hpp"

namespace event_relay {

/// What the threads of a worker share. As thread-safe as its members.
template <class Outbox, class Handler, class Options>
struct worker_parts {
  Outbox& outbox;
  Handler handler;
  Options options;
  lease_manager manager = {};
  /// Until then orphans are left to other processes.
  std::atomic<instant> no_orphan_before = instant{};

  auto& store() { return outbox.store(); }
  auto breadcrumbs() { return worker_breadcrumbs{options.sink(), options.sources()}; }
};

/// Used by one thread. Throws what the store throws, and what an injected part throws.
template <class Outbox, class Handler, class Options>
class executor {
  using parts_type = worker_parts<Outbox, Handler, Options>;
  using transaction = typename Outbox::store_type::transaction;
  using runner_type = attempt_runner<Outbox, Handler, Options>;
  using finished = typename runner_type::finished;

 public:
  enum class step_end { after_one_batch, when_nothing_is_left };

  explicit executor(parts_type& shared)
      : parts_{shared}, runner_{shared.outbox, shared.handler, shared.options}, held_{shared.manager.open()} {}
  ~executor() { parts_.manager.close(held_); }
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;

  /// Settles what an earlier step could not, then claims, attempts and settles: one batch, or batch after
  /// batch until nothing is ready, `stop` is requested, or an orphan is to be attempted, which takes a step
  /// of its own. Returns whether the next step may find work at once.
  bool step(const std::stop_token& stop, step_end end) {
    // After a stop was requested no attempt begins, so the pass is not needed.
    if (claims_orphan_next_ || holds_orphan()) {
      const isolation_lock::isolated_pass alone{isolation_lock::of_process(), stop, parts_.options.limits().lease};
      if (alone || stop.stop_requested() || !attempts_.empty()) {
        return step(stop, end, claim_kind::orphan);
      }
      put_orphans_off();
    }
    const isolation_lock::shared_pass together{isolation_lock::of_process(), stop};
    return step(stop, end, claim_kind::ordinary);
  }

  bool is_empty() const { return attempts_.empty() && next_.empty(); }
  /// How many attempts have ended and are not stored.
  std::size_t unsettled() const { return attempts_.size(); }
  /// When the next event is due or the next lease ends, as the last claim found.
  std::optional<instant> next_due() const { return next_due_; }
  worker_report& report() { return report_; }

 private:
  bool step(const std::stop_token& stop, step_end end, claim_kind kind) {
    const std::size_t batch = parts_.options.limits().batch;
    // A step for an orphan is followed by one for the others, so that neither kind waits for all of the
    // other.
    claims_orphan_next_ = false;
    bool found_work = false;
    if (is_empty()) {
      if (stop.stop_requested()) {
        return false;
      }
      exchange(kind, batch);
    }
    while (!is_empty()) {
      found_work = true;
      if (attempts_.empty()) {
        attempt_next(stop);
      }
      const bool goes_on = end == step_end::when_nothing_is_left && kind == claim_kind::ordinary && next_.empty() &&
                           !claims_orphan_next_ && !stop.stop_requested() &&
                           !isolation_lock::of_process().isolation_is_wanted();
      exchange(kind, goes_on ? batch : 0);
    }
    return found_work || claims_orphan_next_;
  }

  // Another attempt of this process still runs, perhaps for ever, so no orphan can be isolated. To wait for
  // that holds up all other events for a lease's length; it is tried again only after ten of those.
  void put_orphans_off() {
    const std::chrono::milliseconds lease = parts_.options.limits().lease;
    claims_orphan_next_ = false;
    parts_.no_orphan_before = saturating_add(parts_.store().now(), lease * 10);
    report_.lost_breadcrumbs += parts_.breadcrumbs().log(
        outbox_steps::orphans_put_off, breadcrumb_status::warned,
        fmt::format("another attempt of this process has lasted for {} ms or more", lease.count()));
    release_waiting();
    parts_.manager.drop(held_, next_.size());
    next_.clear();
  }

  bool holds_orphan() const {
    const std::vector<claimed_event>& held = attempts_.empty() ? next_ : claims_;
    return !held.empty() && held.front().isolated;
  }

  void attempt_next(const std::stop_token& stop) {
    claims_ = std::exchange(next_, {});
    attempts_.reserve(claims_.size());
    try {
      for (std::size_t at = 0; at < claims_.size(); ++at) {
        if (stop.stop_requested()) {
          release_waiting();
        }
        const instant now = parts_.store().now();
        if (parts_.manager.start(held_, at, now)) {
          attempts_.push_back(runner_.run(claims_[at], now, parts_.manager.stop_of(held_), report_.lost_breadcrumbs));
          parts_.manager.finish(held_, at);
        }
      }
    } catch (...) {
      release_waiting();
      parts_.manager.abandon(held_);
      drop_claims_if_settled();
      throw;
    }
    drop_claims_if_settled();
  }

  // If the store fails, the leases will expire, which uses up no attempt either.
  void release_waiting() {
    try {
      report_.released += parts_.manager.release_waiting(held_, parts_.store());
    } catch (const store_error& error) {
      report_.lost_breadcrumbs +=
          parts_.breadcrumbs().log(outbox_steps::release_failed, breadcrumb_status::warned, error.what());
    }
  }

  // Settles what was attempted and claims up to `limit` events, in one transaction of the store.
  void exchange(claim_kind kind, std::size_t limit) {
    if (attempts_.empty() && limit == 0) {
      return;
    }
    if (!attempts_.empty()) {
      parts_.options.observer().on_settling();
    }
    std::vector<settlement<transaction>> settlements;
    settlements.reserve(attempts_.size());
    for (finished& each : attempts_) {
      settlements.push_back(std::move(each.to_settle));
    }
    const worker_limits& limits = parts_.options.limits();
    const instant now = parts_.store().now();
    family_reservation families{limits.families, kind, limit, now, parts_.store().signal()};
    exchange_result result;
    try {
      result = parts_.store().exchange(settlements, {limit, limits.lease, kind, families.claim_limits()});
    } catch (...) {
      for (std::size_t at = 0; at < settlements.size(); ++at) {
        attempts_[at].to_settle = std::move(settlements[at]);
      }
      throw;
    }
    if (limit > 0) {
      next_due_ = earlier(result.next_due, families.next_due(result.claimed));
      if (!result.claimed.empty()) {
        families.take(result.claimed);
        next_ = std::move(result.claimed);
        parts_.manager.hold_all(held_, next_, saturating_add(now, limits.lease), families);
      }
      claims_orphan_next_ = kind == claim_kind::ordinary && result.orphans_waiting &&
                            parts_.store().now() >= parts_.no_orphan_before.load();
    }
    if (!settlements.empty()) {
      take_answers(std::move(result.settled));
    }
    if (limit > 0 && !next_.empty()) {
      parts_.options.observer().on_claimed(next_);
    }
  }

  static std::optional<instant> earlier(const std::optional<instant>& one, const std::optional<instant>& other) {
    return one && other ? std::min(one, other) : one ? one : other;
  }

  void take_answers(std::vector<settle_result> answers) {
    std::vector<finished> settled = std::exchange(attempts_, {});
    for (std::size_t at = 0; at < answers.size(); ++at) {
      if (answers[at].status == settle_status::write_failed) {
        runner_.fail(settled[at], std::move(answers[at].error));
        attempts_.push_back(std::move(settled[at]));
      }
    }
    drop_claims_if_settled();
    for (std::size_t at = 0; at < answers.size(); ++at) {
      if (answers[at].status != settle_status::write_failed) {
        count(settled[at], answers[at].status);
        parts_.options.observer().on_settled(*settled[at].claim, settled[at].decided, answers[at].status);
      }
    }
  }

  void drop_claims_if_settled() {
    if (attempts_.empty()) {
      parts_.manager.drop(held_, claims_.size());
    }
  }

  void count(const finished& done, settle_status status) {
    if (status == settle_status::stale) {
      ++report_.stale_settles;
      const event_record& record = done.claim->record;
      report_.lost_breadcrumbs +=
          parts_.breadcrumbs().log_of(outbox_steps::stale_settle, breadcrumb_status::failed, record.name, record.id,
                                      record.correlation_id, "the attempt's end was not stored: its lease had expired");
      return;
    }
    switch (done.decided.status) {
      case attempt_status::processed: ++report_.processed; break;
      case attempt_status::retry_scheduled: ++report_.retried; break;
      case attempt_status::dead_letter: ++report_.dead_lettered; break;
    }
    if constexpr (!std::is_same_v<std::remove_reference_t<decltype(parts_.options.sink())>, null_sink>) {
      report_.lost_breadcrumbs += parts_.breadcrumbs().settled(done);
    }
  }

  parts_type& parts_;
  runner_type runner_;
  lease_manager::batch& held_;
  std::vector<claimed_event> next_;    // claimed, and not begun
  std::vector<claimed_event> claims_;  // those that `attempts_` refer to
  std::vector<finished> attempts_;     // made, and not settled
  bool claims_orphan_next_ = false;
  std::optional<instant> next_due_;
  worker_report report_;
};

}  // namespace event_relay
