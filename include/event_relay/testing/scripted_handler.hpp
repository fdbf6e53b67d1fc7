// SPDX-License-Identifier: MIT
// A handler that does as it is told, and remembers what it was given: for tests of what surrounds a handler.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "event_relay/core/envelope.hpp"
#include "event_relay/core/event.hpp"
#include "event_relay/core/outcome.hpp"

namespace event_relay::testing {

/// One run of a scripted handler.
struct handled_attempt {
  std::string event_name;
  std::string event_id;
  retry_metadata retry;
};

/// Handles every event: answers with the steps of its script in order, and with `processed` when they are
/// used up. A handle: its copies share the script and the record. Thread-safe.
class scripted_handler {
 public:
  scripted_handler& then(outcome answer) {
    return add([answer = std::move(answer)] { return answer; });
  }
  template <class Exception>
  scripted_handler& then_throw(Exception exception) {
    return add([exception = std::move(exception)]() -> outcome { throw exception; });
  }

  template <event_type Event>
  outcome operator()(const worker_envelope<Event>& envelope) {
    std::function<outcome()> step;
    {
      const std::lock_guard lock{shared_->mutex};
      shared_->attempts.push_back({std::string{Event::name}, envelope.event.id, envelope.retry});
      if (shared_->steps.empty()) {
        return processed{};
      }
      step = std::move(shared_->steps.front());
      shared_->steps.pop_front();
    }
    return step();
  }

  /// All runs so far, in order.
  std::vector<handled_attempt> attempts() const {
    const std::lock_guard lock{shared_->mutex};
    return shared_->attempts;
  }

 private:
  scripted_handler& add(std::function<outcome()> step) {
    const std::lock_guard lock{shared_->mutex};
    shared_->steps.push_back(std::move(step));
    return *this;
  }

  struct state {
    std::mutex mutex;
    std::deque<std::function<outcome()>> steps;
    std::vector<handled_attempt> attempts;
  };
  std::shared_ptr<state> shared_ = std::make_shared<state>();
};

}  // namespace event_relay::testing
