// SPDX-License-Identifier: MIT
// Hooks by which a host observes a worker: to count, to measure, to keep a log of runs. Breadcrumbs are for
// people who follow one event; hooks are for programs that follow all of them.
#pragma once

#include <concepts>
#include <span>

#include "event_relay/core/decision.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"

namespace event_relay {

/// The default, which does nothing. Derive from it and hide the functions that you want to be called.
struct no_observer {
  /// The events are claimed, which is stored; no attempt has begun.
  void on_claimed(std::span<const claimed_event>) const {}
  /// The attempt begins, at the instant from which its plan is computed.
  void on_run_started(const claimed_event&, instant) const {}
  /// The handler has returned or thrown, or a fault was injected instead of its run.
  void on_run_ended(const claimed_event&, instant) const {}
  /// The attempts' ends are about to be stored.
  void on_settling() const {}
  /// The attempt's end is stored if `status` is applied, and not if it is stale.
  void on_settled(const claimed_event&, const decision&, settle_status) const {}
};

/// Its functions are called from every thread of the worker, and what they throw ends `run`.
template <class Type>
concept worker_observer = requires(Type& observer, std::span<const claimed_event> claims, const claimed_event& claim,
                                   instant at, const decision& decided, settle_status status) {
  observer.on_claimed(claims);
  observer.on_run_started(claim, at);
  observer.on_run_ended(claim, at);
  observer.on_settling();
  observer.on_settled(claim, decided, status);
};

}  // namespace event_relay
