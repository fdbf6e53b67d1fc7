// SPDX-License-Identifier: MIT
// Keeps a suspect alone: while an event that may kill the process is attempted, nothing else runs in it, so
// a crash is that event's and costs no other an attempt.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace event_relay {

/// One for each process; every worker passes through it. A solo run waits until the shared ones are over,
/// and holds new ones up while it waits, so that it is not put off for ever. Thread-safe; not reentrant: a
/// handler must not run a worker.
class solo_gate {
 public:
  static solo_gate& of_process() {
    static solo_gate gate;
    return gate;
  }

  /// Held while events run that are nobody's suspects.
  class shared_pass {
   public:
    explicit shared_pass(solo_gate& gate) : gate_{gate} {
      std::unique_lock lock{gate_.mutex_};
      gate_.changed_.wait(lock, [&] { return gate_.solo_wanted_ == 0; });
      ++gate_.shared_running_;
    }
    ~shared_pass() {
      const std::lock_guard lock{gate_.mutex_};
      --gate_.shared_running_;
      gate_.changed_.notify_all();
    }
    shared_pass(const shared_pass&) = delete;
    shared_pass& operator=(const shared_pass&) = delete;

   private:
    solo_gate& gate_;
  };

  /// Held while a suspect runs.
  class solo_pass {
   public:
    explicit solo_pass(solo_gate& gate) : gate_{gate} {
      std::unique_lock lock{gate_.mutex_};
      ++gate_.solo_wanted_;
      gate_.changed_.wait(lock, [&] { return gate_.shared_running_ == 0 && !gate_.solo_running_; });
      gate_.solo_running_ = true;
    }
    ~solo_pass() {
      const std::lock_guard lock{gate_.mutex_};
      gate_.solo_running_ = false;
      --gate_.solo_wanted_;
      gate_.changed_.notify_all();
    }
    solo_pass(const solo_pass&) = delete;
    solo_pass& operator=(const solo_pass&) = delete;

   private:
    solo_gate& gate_;
  };

  /// Whether a solo run waits for the shared ones to end.
  bool solo_is_wanted() const {
    const std::lock_guard lock{mutex_};
    return solo_wanted_ > 0;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t shared_running_ = 0;
  std::size_t solo_wanted_ = 0;
  bool solo_running_ = false;
};

}  // namespace event_relay
