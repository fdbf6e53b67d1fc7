// SPDX-License-Identifier: MIT
// Time that moves only when a test says so.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "event_relay/core/instant.hpp"

namespace event_relay::testing {

/// A clock that stands still until it is told. A handle: its copies show one time. Thread-safe.
class manual_clock {
 public:
  explicit manual_clock(instant start = instant{}) : now_{std::make_shared<std::atomic<instant>>(start)} {}

  instant now() const { return now_->load(); }
  void set(instant to) { now_->store(to); }
  void advance(std::chrono::milliseconds by) {
    instant from = now_->load();
    while (!now_->compare_exchange_weak(from, saturating_add(from, by))) {
    }
  }

 private:
  std::shared_ptr<std::atomic<instant>> now_;
};

}  // namespace event_relay::testing
