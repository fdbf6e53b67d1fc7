// SPDX-License-Identifier: MIT
// Isolates an orphan: while an event that may crash the process is attempted, no other attempt runs in the
// process. So a crash counts against that event, and uses up no attempt of another.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stop_token>

namespace event_relay {

/// There is one for each process, which all its workers use. An isolated pass waits until the shared ones are
/// over, and holds new ones up while it waits, so that it is not put off for ever. Thread-safe; not
/// reentrant: a handler must not run a worker. An attempt that never returns keeps the others of its process
/// waiting; if it is an isolated one, for ever.
class isolation_lock {
 public:
  static isolation_lock& of_process() {
    static isolation_lock isolation;
    return isolation;
  }

  /// Held while events run that are not orphans; false if `stop` was requested first.
  class shared_pass {
   public:
    explicit shared_pass(isolation_lock& isolation, const std::stop_token& stop = {}) : lock_{isolation} {
      std::unique_lock lock{lock_.mutex_};
      is_held_ = lock_.changed_.wait(lock, stop, [&] { return lock_.isolated_wanted_ == 0; });
      lock_.shared_running_ += is_held_ ? 1 : 0;
    }
    ~shared_pass() {
      if (is_held_) {
        const std::lock_guard lock{lock_.mutex_};
        --lock_.shared_running_;
        lock_.changed_.notify_all();
      }
    }
    shared_pass(const shared_pass&) = delete;
    shared_pass& operator=(const shared_pass&) = delete;

    explicit operator bool() const { return is_held_; }

   private:
    isolation_lock& lock_;
    bool is_held_ = false;
  };

  /// Held while an orphan runs; false if `stop` was requested, or `at_most` was over, first.
  class isolated_pass {
   public:
    explicit isolated_pass(isolation_lock& isolation, const std::stop_token& stop = {},
                           std::chrono::milliseconds at_most = std::chrono::hours{24})
        : lock_{isolation} {
      std::unique_lock lock{lock_.mutex_};
      ++lock_.isolated_wanted_;
      is_held_ = lock_.changed_.wait_for(lock, stop, at_most,
                                         [&] { return lock_.shared_running_ == 0 && !lock_.isolated_running_; });
      if (is_held_) {
        lock_.isolated_running_ = true;
      } else {
        lock_.want_no_more();
      }
    }
    ~isolated_pass() {
      if (is_held_) {
        const std::lock_guard lock{lock_.mutex_};
        lock_.isolated_running_ = false;
        lock_.want_no_more();
      }
    }
    isolated_pass(const isolated_pass&) = delete;
    isolated_pass& operator=(const isolated_pass&) = delete;

    explicit operator bool() const { return is_held_; }

   private:
    isolation_lock& lock_;
    bool is_held_ = false;
  };

  /// Whether an isolated pass is held or waited for.
  bool isolation_is_wanted() const {
    const std::lock_guard lock{mutex_};
    return isolated_wanted_ > 0;
  }

 private:
  void want_no_more() {
    --isolated_wanted_;
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t shared_running_ = 0;
  std::size_t isolated_wanted_ = 0;
  bool isolated_running_ = false;
};

}  // namespace event_relay
