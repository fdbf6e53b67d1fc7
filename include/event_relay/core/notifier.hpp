// SPDX-License-Identifier: MIT
// Where notifications go. The relay passes each one to the notifier before it counts the event as processed.
// If the notifier fails, so does the attempt, and no breadcrumb reports as queued what is not.
#pragma once

#include <concepts>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "event_relay/core/notification.hpp"

namespace event_relay {

/// `notify` accepts one notification, by reference or by value; it may throw, which fails the event's
/// attempt. **Delivery**: at least once. A repeated attempt passes the same notifications again, with the
/// same ids. **Thread safety**: called from every thread that publishes.
template <class Type>
concept notifier = requires(Type& receiver, const notification& queued) {
  receiver.notify(queued);
};

/// Keeps all notifications until `take` is called. A handle: its copies share one collection. Thread-safe. It
/// grows without bound: call `take` now and then, or inject a notifier of your own.
class collecting_notifier {
 public:
  void notify(notification queued) {
    const std::lock_guard lock{shared_->mutex};
    shared_->kept.push_back(std::move(queued));
  }

  /// All notifications since the last call, oldest first; the collection is empty afterwards.
  std::vector<notification> take() {
    const std::lock_guard lock{shared_->mutex};
    return std::exchange(shared_->kept, {});
  }

 private:
  struct collection {
    std::mutex mutex;
    std::vector<notification> kept;
  };
  std::shared_ptr<collection> shared_ = std::make_shared<collection>();
};

}  // namespace event_relay
