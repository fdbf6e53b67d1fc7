// SPDX-License-Identifier: MIT
// Waits of no length: written down, and the manual clock moved on by as much.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <stop_token>
#include <utility>
#include <vector>

#include "event_relay/testing/manual_clock.hpp"

namespace event_relay::testing {

/// For `wait_until_due`. A handle: its copies share one record. Thread-safe.
class recording_waiter {
 public:
  explicit recording_waiter(manual_clock clock) : clock_{std::move(clock)} {}

  /// Like the real one it does not wait, and says false, when `stop` is requested.
  bool wait_for(std::chrono::milliseconds wait, const std::stop_token& stop) {
    if (stop.stop_requested()) {
      return false;
    }
    clock_.advance(wait);
    const std::lock_guard lock{shared_->mutex};
    shared_->waits.push_back(wait);
    return true;
  }

  /// All waits so far, in order.
  std::vector<std::chrono::milliseconds> waits() const {
    const std::lock_guard lock{shared_->mutex};
    return shared_->waits;
  }

 private:
  struct record {
    std::mutex mutex;
    std::vector<std::chrono::milliseconds> waits;
  };
  manual_clock clock_;
  std::shared_ptr<record> shared_ = std::make_shared<record>();
};

}  // namespace event_relay::testing
