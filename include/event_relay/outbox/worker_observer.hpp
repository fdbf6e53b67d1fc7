// SPDX-License-Identifier: MIT
// Where a host looks on while a worker works: to count, to measure, to keep a log of runs. Breadcrumbs are
// for people who follow one event; this is for programs that follow them all.
#pragma once

#include <concepts>
#include <span>

#include "event_relay/core/decision.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"

namespace event_relay {

/// The default. Derive from it and hide the functions that you want to hear.
struct no_observer {
  /// Their attempts are counted and stored; none has run.
  void on_claimed(std::span<const claimed_event>) const {}
  /// The attempt begins, at the instant that its plan goes by.
  void on_run_started(const claimed_event&, instant) const {}
  /// The handler is back, or a fault was injected in its place.
  void on_run_ended(const claimed_event&, instant) const {}
  /// What was attempted is about to be stored.
  void on_settling() const {}
  /// It is stored: `decided` if `status` is applied, nothing if the lease was stale.
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
