// SPDX-License-Identifier: MIT
// Keeps an orphan alone: while an event that may kill the process is attempted, nothing else runs in it, so
// a crash is that event's and costs no other an attempt.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stop_token>

namespace event_relay {

/// One for each process; every worker passes through it. A solo run waits until the shared ones are over,
/// and holds new ones up while it waits, so that it is not put off for ever. Thread-safe; not reentrant: a
/// handler must not run a worker. An attempt that never returns keeps the others of its process waiting: for
/// ever if it is a solo one.
class solo_gate {
 public:
  static solo_gate& of_process() {
    static solo_gate gate;
    return gate;
  }

  /// Held while events run that are nobody's orphans; false if `stop` was requested first.
  class shared_pass {
   public:
    explicit shared_pass(solo_gate& gate, const std::stop_token& stop = {}) : gate_{gate} {
      std::unique_lock lock{gate_.mutex_};
      is_held_ = gate_.changed_.wait(lock, stop, [&] { return gate_.solo_wanted_ == 0; });
      gate_.shared_running_ += is_held_ ? 1 : 0;
    }
    ~shared_pass() {
      if (is_held_) {
        const std::lock_guard lock{gate_.mutex_};
        --gate_.shared_running_;
        gate_.changed_.notify_all();
      }
    }
    shared_pass(const shared_pass&) = delete;
    shared_pass& operator=(const shared_pass&) = delete;

    explicit operator bool() const { return is_held_; }

   private:
    solo_gate& gate_;
    bool is_held_ = false;
  };

  /// Held while an orphan runs; false if `stop` was requested, or `at_most` was over, first.
  class solo_pass {
   public:
    explicit solo_pass(solo_gate& gate, const std::stop_token& stop = {},
                       std::chrono::milliseconds at_most = std::chrono::hours{24})
        : gate_{gate} {
      std::unique_lock lock{gate_.mutex_};
      ++gate_.solo_wanted_;
      is_held_ = gate_.changed_.wait_for(lock, stop, at_most,
                                         [&] { return gate_.shared_running_ == 0 && !gate_.solo_running_; });
      if (is_held_) {
        gate_.solo_running_ = true;
      } else {
        gate_.want_no_more();
      }
    }
    ~solo_pass() {
      if (is_held_) {
        const std::lock_guard lock{gate_.mutex_};
        gate_.solo_running_ = false;
        gate_.want_no_more();
      }
    }
    solo_pass(const solo_pass&) = delete;
    solo_pass& operator=(const solo_pass&) = delete;

    explicit operator bool() const { return is_held_; }

   private:
    solo_gate& gate_;
    bool is_held_ = false;
  };

  /// Whether a solo run waits for the shared ones to end.
  bool solo_is_wanted() const {
    const std::lock_guard lock{mutex_};
    return solo_wanted_ > 0;
  }

 private:
  void want_no_more() {
    --solo_wanted_;
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t shared_running_ = 0;
  std::size_t solo_wanted_ = 0;
  bool solo_running_ = false;
};

}  // namespace event_relay
