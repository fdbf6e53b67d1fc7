// SPDX-License-Identifier: MIT
// Ids that a test can foretell.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

namespace event_relay::testing {

/// <prefix>-1, <prefix>-2 and so on. A handle: its copies share one count. Thread-safe.
class sequential_ids {
 public:
  explicit sequential_ids(std::string prefix = "id") : prefix_{std::move(prefix)} {}

  std::string next_id() { return prefix_ + "-" + std::to_string(++*count_); }

 private:
  std::string prefix_;
  std::shared_ptr<std::atomic<unsigned>> count_ = std::make_shared<std::atomic<unsigned>>(0);
};

}  // namespace event_relay::testing
