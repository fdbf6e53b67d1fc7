// SPDX-License-Identifier: MIT
// How many attempts on events of one type may run at a time, and how many may begin in a second, over all the
// workers that share the limits: for a receiver that can take no more. The counts are kept here; claims take
// their limits from them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/event.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/wake_signal.hpp"

namespace event_relay {

/// A field that is absent sets no limit.
struct family_limit {
  /// Attempts that run at a time, 1 or more.
  std::optional<std::size_t> running = std::nullopt;
  /// Attempts a second, 1 to 1000000, counted when their events are claimed: in a time t no more than t times
  /// this, plus a tenth of a second's (at least 1) that may be claimed at once. An orphan is put off for
  /// neither limit, but counts.
  std::optional<std::uint32_t> per_second = std::nullopt;
};

namespace detail {

/// The counts of one family. Thread-safe.
class family_limiter {
 public:
  family_limiter(std::string_view name, family_limit most) : name_{name}, most_{most}, tokens_{capacity()} {}

  const std::string& name() const { return name_; }

  // Returns how many attempts, at most `wanted`, one batch may make now, and counts them and the batch. If no
  // permit is free, `waiting` is woken when one is.
  std::size_t enter(std::size_t wanted, instant now, wake_signal& waiting) {
    const std::lock_guard lock{mutex_};
    if (most_.running && running_ >= *most_.running) {
      waiting_.insert(waiting.weak_from_this());
      return 0;
    }
    std::size_t granted = wanted;
    if (most_.per_second) {
      count_tokens(now);
      granted = std::min(wanted, static_cast<std::size_t>(std::max<std::int64_t>(tokens_, 0) / token));
      tokens_ -= static_cast<std::int64_t>(granted) * token;
    }
    running_ += granted > 0 ? 1 : 0;
    return granted;
  }

  // Counts one attempt that cannot be put off.
  void enter_anyway(instant now) {
    const std::lock_guard lock{mutex_};
    ++running_;
    if (most_.per_second) {
      count_tokens(now);
      tokens_ -= token;
    }
  }

  void release(std::size_t attempts) {
    const std::lock_guard lock{mutex_};
    // This may exceed the capacity; `count_tokens`, which comes before every use, caps it.
    tokens_ += most_.per_second ? static_cast<std::int64_t>(attempts) * token : 0;
  }

  // The batch is over. If it `may_have_kept_out` other claims, the workers that found no permit meanwhile are
  // woken.
  void leave(bool may_have_kept_out) {
    signals freed_for;
    {
      const std::lock_guard lock{mutex_};
      --running_;
      if (may_have_kept_out) {
        freed_for = std::exchange(waiting_, {});
      }
    }
    for (const auto& each : freed_for) {
      if (const auto worker = each.lock()) {
        worker->wake();
      }
    }
  }

  // When the rate allows the next attempt; absent if it allows one now.
  std::optional<instant> next_attempt(instant now) {
    const std::lock_guard lock{mutex_};
    if (!most_.per_second) {
      return std::nullopt;
    }
    count_tokens(now);
    const std::int64_t missing = token - tokens_;
    if (missing <= 0) {
      return std::nullopt;
    }
    return saturating_add(now, std::chrono::milliseconds{(missing + *most_.per_second - 1) / *most_.per_second});
  }

 private:
  using signals = std::set<std::weak_ptr<wake_signal>, std::owner_less<>>;

  // Tokens are counted in thousandths of an attempt, so that a millisecond adds `per_second` of them.
  static constexpr std::int64_t token = 1000;

  std::int64_t capacity() const { return std::max(token, std::int64_t{most_.per_second.value_or(0)} * 100); }

  void count_tokens(instant now) {
    const std::int64_t elapsed = counted_ ? std::clamp<std::int64_t>((now - *counted_).count(), 0, 10'000'000) : 0;
    tokens_ = std::min(capacity(), tokens_ + elapsed * *most_.per_second);
    // Readings of two threads may arrive slightly out of order; a larger step back means that the clock was
    // set back.
    const bool is_set_back = counted_ && *counted_ - now > std::chrono::seconds{1};
    counted_ = is_set_back ? now : std::max(counted_.value_or(now), now);
  }

  const std::string name_;
  const family_limit most_;
  std::mutex mutex_;
  std::size_t running_ = 0;  // batches, of which each makes one attempt at a time
  signals waiting_;
  std::int64_t tokens_;
  std::optional<instant> counted_;
};

}  // namespace detail

/// Built once and given to all workers of a process: copies share the counts. Each process has counts of its
/// own.
class family_limits {
 public:
  /// Limits events of type `Event`. Throws std::invalid_argument for a value out of its range, and for a
  /// second limit of one type.
  template <event_type Event>
  family_limits with(family_limit most) && {
    require(Event::name, "running", most.running, std::numeric_limits<std::size_t>::max());
    require(Event::name, "per_second", most.per_second, std::uint32_t{1'000'000});
    if (limiter_of(Event::name) != nullptr) {
      throw std::invalid_argument(fmt::format("family_limits: {} has a limit already", Event::name));
    }
    limiters_.push_back(std::make_shared<detail::family_limiter>(Event::name, most));
    return std::move(*this);
  }

  bool empty() const { return limiters_.empty(); }

 private:
  friend class family_reservation;

  template <class Value>
  static void require(std::string_view name, std::string_view field, const std::optional<Value>& value, Value most) {
    if (value && (*value < 1 || *value > most)) {
      throw std::invalid_argument(
          fmt::format("family_limits: {} of {} is {}, must be 1 to {}", field, name, *value, most));
    }
  }

  std::shared_ptr<detail::family_limiter> limiter_of(std::string_view name) const {
    const auto found =
        std::find_if(limiters_.begin(), limiters_.end(), [&](const auto& each) { return each->name() == name; });
    return found == limiters_.end() ? nullptr : *found;
  }

  std::vector<std::shared_ptr<detail::family_limiter>> limiters_;
};

}  // namespace event_relay
