// SPDX-License-Identifier: MIT
// The leases that the threads of a worker hold at this moment. The heartbeat renews them. An attempt that
// takes too long, or has lost its lease, is asked to stop, and the events that wait behind one that takes too
// long are released.
#pragma once

#include <algorithm>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/family_reservation.hpp"
#include "event_relay/outbox/store.hpp"
#include "event_relay/outbox/worker_options.hpp"

namespace event_relay {

/// Thread-safe. Each thread has a `batch` of its own; the heartbeat sees them all.
class lease_manager {
  enum class hold {
    waiting,   // claimed, and not begun
    running,   // attempted at this moment
    finished,  // attempted; settling it will show whether its lease still holds
    released,  // no longer this worker's
  };

  struct entry {
    const claimed_event* claim;
    instant held_until;  // or later, if it was renewed since
    hold state = hold::waiting;
    std::shared_ptr<family_permit> permit;  // while it waits or runs, if its family is limited
    bool renewed = true;                    // until the lease is lost, or the attempt takes too long
    instant started = {};

    void end(hold as) {
      state = as;
      permit.reset();
    }
  };

 public:
  /// The leases of one thread, in the order in which they were taken.
  class batch {
    friend class lease_manager;
    std::vector<entry> entries_;
    std::stop_source stop_;
    bool is_stop_spent_ = false;  // `stop_` has been requested, or is about to be, outside the lock

    std::stop_source spend_stop() {
      is_stop_spent_ = true;
      return stop_;
    }
  };

  /// What a breadcrumb shows of an event. It is a copy, as the thread may have dropped the claim by then.
  struct event_name_and_id {
    std::string name;
    std::string id;
    std::string correlation_id;
  };

  /// What a heartbeat found.
  struct findings {
    std::vector<event_name_and_id> too_long;
    std::vector<event_name_and_id> lost;
    std::size_t released = 0;

    findings& operator+=(findings&& other) {
      too_long.insert(too_long.end(), other.too_long.begin(), other.too_long.end());
      lost.insert(lost.end(), other.lost.begin(), other.lost.end());
      released += other.released;
      return *this;
    }
  };

  /// Adds a batch for one more thread; its address does not change.
  batch& open() {
    const std::lock_guard lock{mutex_};
    return batches_.emplace_back();
  }

  /// Removes the batch; its leases are no longer renewed.
  void close(const batch& mine) {
    const std::lock_guard lock{mutex_};
    batches_.remove_if([&](const batch& each) { return &each == &mine; });
  }

  /// Adds leases that hold until `until` at the least. `claims` must stay where they are until they are
  /// dropped. Each event keeps its family's permit while it waits or runs.
  void hold_all(batch& mine, std::span<const claimed_event> claims, instant until,
                const family_reservation& families = {}) {
    const std::lock_guard lock{mutex_};
    for (const claimed_event& claim : claims) {
      mine.entries_.push_back({&claim, until, hold::waiting, families.permit_of(claim)});
    }
  }

  /// Whether the event may be attempted: not if it was released, or its lease is lost or over by now, as it
  /// may be after a pause of the whole machine.
  bool start(batch& mine, std::size_t at, instant now) {
    const std::lock_guard lock{mutex_};
    entry& each = mine.entries_[at];
    if (each.state != hold::waiting || !each.renewed) {
      return false;
    }
    if (now >= std::max(each.held_until, renewed_until_)) {
      each.renewed = false;
      each.permit.reset();
      unlogged_.lost.push_back(named(each));
      return false;
    }
    if (std::exchange(mine.is_stop_spent_, false)) {
      mine.stop_ = std::stop_source{};  // the old one was requested for an earlier event
    }
    each.state = hold::running;
    each.started = now;
    return true;
  }

  std::stop_token stop_of(const batch& mine) const {
    const std::lock_guard lock{mutex_};
    return mine.stop_.get_token();
  }

  /// What was not finished is no longer held.
  void abandon(batch& mine) {
    const std::lock_guard lock{mutex_};
    for (entry& each : mine.entries_) {
      if (each.state != hold::finished) {
        each.end(hold::released);
      }
    }
  }

  void finish(batch& mine, std::size_t at) {
    const std::lock_guard lock{mutex_};
    mine.entries_[at].end(hold::finished);
  }

  /// Removes the first `count` entries.
  void drop(batch& mine, std::size_t count) {
    const std::lock_guard lock{mutex_};
    mine.entries_.erase(mine.entries_.begin(), mine.entries_.begin() + static_cast<std::ptrdiff_t>(count));
  }

  /// Releases what has not begun; returns how many events that were.
  template <event_store Store>
  std::size_t release_waiting(batch& mine, Store& store) {
    std::vector<lease> releasing;
    {
      const std::lock_guard lock{mutex_};
      take_waiting(mine, releasing);
    }
    return releasing.empty() ? 0 : store.release(releasing);
  }

  /// Asks all running attempts to stop; returns how many those are.
  std::size_t stop_running() {
    std::vector<std::stop_source> stops;
    {
      const std::lock_guard lock{mutex_};
      for (batch& each : batches_) {
        if (std::any_of(each.entries_.begin(), each.entries_.end(), is_running)) {
          stops.push_back(each.spend_stop());
        }
      }
    }
    request(stops);
    return stops.size();
  }

  /// Renews the leases, and asks attempts to stop that take too long. Throws what the store throws.
  template <event_store Store>
  findings heartbeat(Store& store, const worker_limits& limits) {
    findings found = take_unlogged();
    std::vector<lease> renewing;
    std::vector<lease> releasing;
    std::vector<std::stop_source> stops;
    const instant now = store.now();
    {
      const std::lock_guard lock{mutex_};
      for (batch& each : batches_) {
        for (entry& one : each.entries_) {
          const bool is_too_long =
              one.renewed && is_running(one) && now - one.started >= limits.max_run_time_for(one.claim->record.name);
          if (is_too_long) {
            one.renewed = false;
            stops.push_back(each.spend_stop());
            found.too_long.push_back(named(one));
            take_waiting(each, releasing);
          }
        }
        for (const entry& one : each.entries_) {
          if (one.renewed && one.state != hold::released) {
            renewing.push_back(one.claim->held);
          }
        }
      }
    }
    request(stops);
    try {
      if (!releasing.empty()) {
        found.released += store.release(releasing);
      }
      if (!renewing.empty()) {
        mark_lost(renewing, store.renew(renewing, limits.lease), found);
        const std::lock_guard lock{mutex_};
        renewed_until_ = saturating_add(now, limits.lease);
      }
    } catch (...) {
      const std::lock_guard lock{mutex_};
      unlogged_ += std::move(found);  // reported by the next heartbeat
      throw;
    }
    return found;
  }

 private:
  static bool is_running(const entry& each) { return each.state == hold::running; }

  static event_name_and_id named(const entry& each) {
    const event_record& record = each.claim->record;
    return {record.name, record.id, record.correlation_id};
  }

  static void request(std::vector<std::stop_source>& stops) {
    for (std::stop_source& each : stops) {
      each.request_stop();  // runs the handler's callbacks, so never under the lock
    }
  }

  static void take_waiting(batch& mine, std::vector<lease>& into) {
    for (entry& each : mine.entries_) {
      if (each.state == hold::waiting) {
        each.end(hold::released);
        into.push_back(each.claim->held);
      }
    }
  }

  void mark_lost(const std::vector<lease>& renewing, const std::vector<bool>& renewed, findings& found) {
    std::vector<std::stop_source> stops;
    for (std::size_t at = 0; at < renewing.size(); ++at) {
      if (renewed[at]) {
        continue;
      }
      const std::lock_guard lock{mutex_};
      for (batch& each : batches_) {
        for (entry& one : each.entries_) {
          const bool is_open = one.state == hold::waiting || one.state == hold::running;
          if (one.claim->held == renewing[at] && is_open && one.renewed) {
            one.renewed = false;
            found.lost.push_back(named(one));
            if (is_running(one)) {
              stops.push_back(each.spend_stop());
            }
          }
        }
      }
    }
    request(stops);
  }

  findings take_unlogged() {
    const std::lock_guard lock{mutex_};
    return std::exchange(unlogged_, {});
  }

  mutable std::mutex mutex_;
  std::list<batch> batches_;
  instant renewed_until_{};  // the leases that the last heartbeat renewed
  findings unlogged_;
};

}  // namespace event_relay
