// SPDX-License-Identifier: MIT
// How many events one claim may take under the limits of families, and the permits that its events keep until
// their attempts are over.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/family_limits.hpp"
#include "event_relay/outbox/wake_signal.hpp"

namespace event_relay {

/// A batch's permit in a family, for as long as an event of the family in that batch waits or runs. When it
/// is free again, the workers that wait for it are woken.
class family_permit {
 public:
  family_permit(std::shared_ptr<detail::family_limiter> limiter, std::size_t granted)
      : limiter_{std::move(limiter)}, granted_{granted} {}
  ~family_permit() {
    end_claim(false);
    limiter_->leave(may_have_kept_out_);
  }
  family_permit(const family_permit&) = delete;
  family_permit& operator=(const family_permit&) = delete;

  const std::string& name() const { return limiter_->name(); }
  /// An event was claimed.
  void take() { ++claimed_; }
  /// No more will be claimed. Two idle workers that find no events for their permits must not wake each other
  /// for ever; so if none was claimed under this permit, and the claim was not full, no worker is woken.
  void end_claim(bool is_full) {
    limiter_->release(std::exchange(granted_, claimed_) - claimed_);
    may_have_kept_out_ = may_have_kept_out_ || claimed_ > 0 || is_full;
  }

 private:
  std::shared_ptr<detail::family_limiter> limiter_;
  std::size_t granted_;
  std::size_t claimed_ = 0;
  bool may_have_kept_out_ = false;
};

/// The limits of one claim, from before the claim until its leases are held. Used by one thread.
class family_reservation {
 public:
  /// Without limits.
  family_reservation() = default;
  /// For a claim of at most `limit` events; `waiting` is woken when a permit becomes free that is not free
  /// now.
  family_reservation(const family_limits& limits, claim_kind kind, std::size_t limit, instant now, wake_signal& waiting)
      : limits_{&limits}, kind_{kind}, limit_{limit}, now_{now} {
    if (kind != claim_kind::ordinary || limit == 0) {
      return;
    }
    for (const auto& limiter : limits.limiters_) {
      const std::size_t granted = limiter->enter(limit, now, waiting);
      if (granted > 0) {
        permits_.push_back(std::make_shared<family_permit>(limiter, granted));
      }
      if (granted < limit) {
        claim_limits_.push_back({limiter->name(), granted});
      }
    }
  }

  /// For the claim's request: the families that are limited in it.
  std::span<const claim_limit> claim_limits() const { return claim_limits_; }

  /// Assigns the permits to what was claimed, and moves the events that have one to the front, so that they
  /// keep it for a short time only.
  void take(std::vector<claimed_event>& claimed) {
    if (limits_ == nullptr || limits_->empty()) {
      return;
    }
    for (const claimed_event& each : claimed) {
      if (const auto limiter = kind_ == claim_kind::orphan ? limits_->limiter_of(each.record.name) : nullptr) {
        limiter->enter_anyway(now_);
        permits_.push_back(std::make_shared<family_permit>(limiter, 1));
      }
      if (const auto permit = permit_of(each)) {
        permit->take();
      }
    }
    for (const auto& permit : permits_) {
      permit->end_claim(claimed.size() == limit_);
    }
    std::stable_partition(claimed.begin(), claimed.end(),
                          [&](const claimed_event& each) { return permit_of(each) != nullptr; });
  }

  /// Null if the event's family has no limit.
  std::shared_ptr<family_permit> permit_of(const claimed_event& claim) const {
    const auto found = std::find_if(permits_.begin(), permits_.end(),
                                    [&](const auto& each) { return each->name() == claim.record.name; });
    return found == permits_.end() ? nullptr : *found;
  }

  /// When a rate allows more events of a family than were claimed; absent if no rate held any back.
  std::optional<instant> next_due(const std::vector<claimed_event>& claimed) const {
    std::optional<instant> next;
    for (const claim_limit& limit : claim_limits_) {
      const auto claimed_of_it = std::count_if(
          claimed.begin(), claimed.end(), [&](const claimed_event& each) { return each.record.name == limit.name; });
      const auto due = static_cast<std::size_t>(claimed_of_it) < limit.most
                           ? std::nullopt
                           : limits_->limiter_of(limit.name)->next_attempt(now_);
      next = next && due ? std::min(next, due) : next ? next : due;
    }
    return next;
  }

 private:
  const family_limits* limits_ = nullptr;
  claim_kind kind_ = claim_kind::ordinary;
  std::size_t limit_ = 0;
  instant now_ = {};
  std::vector<std::shared_ptr<family_permit>> permits_;
  std::vector<claim_limit> claim_limits_;
};

}  // namespace event_relay
