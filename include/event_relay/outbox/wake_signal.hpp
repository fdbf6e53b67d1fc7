// SPDX-License-Identifier: MIT
// Wakes an idle worker when there may be work. It is a hint: a worker that misses it finds the work by
// polling.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>

namespace event_relay {

/// Counts hints. Read `count()`, try to claim, and if nothing was claimed, `wait` with that count: a hint
/// that came in between is not missed. Stores hold theirs by a shared_ptr, so that it may be referred to
/// weakly. Thread-safe.
class wake_signal : public std::enable_shared_from_this<wake_signal> {
 public:
  void wake() {
    {
      const std::lock_guard lock{mutex_};
      ++count_;
    }
    woken_.notify_all();
  }

  std::uint64_t count() const {
    const std::lock_guard lock{mutex_};
    return count_;
  }

  /// Blocks until there was a hint after `seen`, `stop` is requested, or `at_most` (of the steady clock) is over.
  void wait(std::uint64_t seen, std::chrono::milliseconds at_most, const std::stop_token& stop) {
    std::unique_lock lock{mutex_};
    constexpr std::chrono::milliseconds longest_at_once =
        std::chrono::hours{24};  // so that the clock does not overflow
    const auto is_hinted = [&] { return count_ != seen; };
    while (!is_hinted() && !stop.stop_requested() && at_most > std::chrono::milliseconds::zero()) {
      const std::chrono::milliseconds part = std::min(at_most, longest_at_once);
      woken_.wait_for(lock, stop, part, is_hinted);
      at_most -= part;
    }
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any woken_;
  std::uint64_t count_ = 0;
};

}  // namespace event_relay
