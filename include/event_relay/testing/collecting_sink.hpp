// SPDX-License-Identifier: MIT
// Breadcrumbs kept for a test to look at.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/breadcrumb.hpp"
#include "event_relay/core/breadcrumb_json.hpp"
#include "event_relay/core/envelope.hpp"

namespace event_relay::testing {

/// A breadcrumb that owns what it says.
struct collected_breadcrumb {
  std::string source;
  std::string step;
  std::string correlation_id;
  breadcrumb_status status = breadcrumb_status::started;
  std::optional<retry_metadata> retry;
  std::optional<dead_letter_marker> dead_letter;
  std::string error;
  /// The whole of it, as the JSON lines sink writes it without a timestamp and a line feed.
  std::string json;
};

/// A handle: its copies share one collection. Thread-safe.
class collecting_sink {
 public:
  void record(const breadcrumb& logged) {
    fmt::memory_buffer json;
    append_json(json, logged);
    const std::lock_guard lock{shared_->mutex};
    shared_->kept.push_back(
        {.source = std::string{logged.source},
         .step = std::string{logged.step},
         .correlation_id = std::string{logged.correlation_id},
         .status = logged.status,
         .retry = logged.retry != nullptr ? std::optional{*logged.retry} : std::nullopt,
         .dead_letter = logged.dead_letter != nullptr ? std::optional{*logged.dead_letter} : std::nullopt,
         .error = std::string{logged.error},
         .json = fmt::to_string(json)});
  }

  /// All breadcrumbs since the last call, oldest first; the collection is empty afterwards.
  std::vector<collected_breadcrumb> take() {
    const std::lock_guard lock{shared_->mutex};
    return std::exchange(shared_->kept, {});
  }

 private:
  struct collection {
    std::mutex mutex;
    std::vector<collected_breadcrumb> kept;
  };
  std::shared_ptr<collection> shared_ = std::make_shared<collection>();
};

}  // namespace event_relay::testing
