// SPDX-License-Identifier: MIT
// How many attempts on events of one type may run at a time, and how many may begin in a second, over all the
// workers that share the limits: for a receiver that takes no more. It only counts; claims keep to it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/event.hpp"
#include "event_relay/core/instant.hpp"

namespace event_relay {

/// What is absent is not limited.
struct family_limit {
  /// Attempts at a time, 1 or more.
  std::optional<std::size_t> running = std::nullopt;
  /// Attempts a second, 1 to 1000000, counted when their events are claimed: in a time t no more than t times
  /// this, and a tenth of a second's (or 1, if that is less) at once.
  std::optional<std::uint32_t> per_second = std::nullopt;
};

namespace detail {

/// The counts of one family. Thread-safe.
class family_gate {
 public:
  family_gate(std::string_view name, family_limit most) : name_{name}, most_{most}, tokens_{capacity()} {}

  const std::string& name() const { return name_; }

  // How many attempts, at most `wanted`, one batch may make now; they are counted, and so is the batch.
  std::size_t enter(std::size_t wanted, instant now) {
    const std::lock_guard lock{mutex_};
    if (most_.running && running_ >= *most_.running) {
      is_waited_for_ = true;
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

  // One attempt that cannot be put off.
  void enter_anyway(instant now) {
    const std::lock_guard lock{mutex_};
    ++running_;
    if (most_.per_second) {
      count_tokens(now);
      tokens_ -= token;
    }
  }

  void give_back(std::size_t attempts) {
    const std::lock_guard lock{mutex_};
    tokens_ = std::min(capacity(), tokens_ + static_cast<std::int64_t>(attempts) * token);
  }

  // The batch is over. True if it had events and another was refused meanwhile.
  bool leave(std::size_t attempts) {
    const std::lock_guard lock{mutex_};
    --running_;
    return attempts > 0 && std::exchange(is_waited_for_, false);
  }

  // When the rate allows the next attempt; absent if it does by now.
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
  // In thousandths of an attempt, so that `per_second` of them come in a millisecond.
  static constexpr std::int64_t token = 1000;

  std::int64_t capacity() const { return std::max(token, std::int64_t{most_.per_second.value_or(0)} * 100); }

  void count_tokens(instant now) {
    const std::int64_t elapsed = counted_ ? std::clamp<std::int64_t>((now - *counted_).count(), 0, 10'000'000) : 0;
    tokens_ = std::min(capacity(), tokens_ + elapsed * *most_.per_second);
    counted_ = std::max(counted_.value_or(now), now);
  }

  const std::string name_;
  const family_limit most_;
  std::mutex mutex_;
  std::size_t running_ = 0;     // batches; each makes one attempt at a time
  bool is_waited_for_ = false;  // by a batch that was refused
  std::int64_t tokens_;
  std::optional<instant> counted_;
};

}  // namespace detail

/// Built once and given to all workers of the process: copies share the counts. Other processes have their own.
class family_limits {
 public:
  /// Of events of type `Event`. Throws std::invalid_argument for a value out of its range, and for a second
  /// limit of one type.
  template <event_type Event>
  family_limits with(family_limit most) && {
    require(Event::name, "running", most.running, std::numeric_limits<std::size_t>::max());
    require(Event::name, "per_second", most.per_second, std::uint32_t{1'000'000});
    if (gate_of(Event::name) != nullptr) {
      throw std::invalid_argument(fmt::format("family_limits: {} has a limit already", Event::name));
    }
    gates_.push_back(std::make_shared<detail::family_gate>(Event::name, most));
    return std::move(*this);
  }

  bool empty() const { return gates_.empty(); }

 private:
  friend class family_reservation;

  template <class Value>
  static void require(std::string_view name, std::string_view field, const std::optional<Value>& value, Value most) {
    if (value && (*value < 1 || *value > most)) {
      throw std::invalid_argument(
          fmt::format("family_limits: {} of {} is {}, must be 1 to {}", field, name, *value, most));
    }
  }

  std::shared_ptr<detail::family_gate> gate_of(std::string_view name) const {
    const auto found =
        std::find_if(gates_.begin(), gates_.end(), [&](const auto& each) { return each->name() == name; });
    return found == gates_.end() ? nullptr : *found;
  }

  std::vector<std::shared_ptr<detail::family_gate>> gates_;
};

}  // namespace event_relay
