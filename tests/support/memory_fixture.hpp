// SPDX-License-Identifier: MIT
// The store in memory, as the contracts of stores want it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "event_relay/testing/manual_clock.hpp"
#include "event_relay/testing/memory_store.hpp"
#include "support/sample_events.hpp"

namespace event_relay_test {

/// The fixture of a store in memory; `Store` is one, or derives from one and its constructor.
template <class Store>
class memory_fixture_of {
 public:
  using store_type = Store;

  explicit memory_fixture_of(std::uint32_t failures_kept = 10, std::chrono::milliseconds keep_processed = {})
      : store_{clock_, {.failures_kept = failures_kept, .keep_processed = keep_processed}} {}

  Store& store() { return store_; }
  event_relay::testing::manual_clock& clock() { return clock_; }
  typename Store::host_transaction& host() { return *host_; }
  void begin() { host_.emplace(store_); }
  void commit() {
    host_->commit();
    host_.reset();
  }
  void rollback() { host_.reset(); }

  static void leave(typename Store::transaction& writes, const std::string& text) { writes.texts.push_back(text); }
  std::vector<std::string> written() { return store_.written(); }

 private:
  event_relay::testing::manual_clock clock_{sample_instant};
  Store store_;
  std::optional<typename Store::host_transaction> host_;
};

}  // namespace event_relay_test
