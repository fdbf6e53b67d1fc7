// SPDX-License-Identifier: MIT
// Ctrl-C, SIGTERM and the end of a given time, all as one request to stop.
#pragma once

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <stop_token>
#include <thread>

namespace bookings {

/// Make it before any other thread, which then leave the signals to it. A second signal ends the process at
/// once: by the outbox's promise that loses nothing.
class stop_signals {
 public:
  explicit stop_signals(std::optional<std::chrono::milliseconds> after) {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    waiting_ = std::thread{[this, after] {
      wait(after);
      stop_.request_stop();
      if (!is_over_) {
        const int signal = wait(std::nullopt);
        if (!is_over_) {
          std::_Exit(128 + signal);
        }
      }
    }};
  }
  ~stop_signals() {
    is_over_ = true;
    pthread_kill(waiting_.native_handle(), SIGINT);
    waiting_.join();
    pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
  }
  stop_signals(const stop_signals&) = delete;
  stop_signals& operator=(const stop_signals&) = delete;

  std::stop_token token() const { return stop_.get_token(); }

 private:
  int wait(std::optional<std::chrono::milliseconds> at_most) {
    int signal = 0;
    if (at_most) {
      const auto end = std::chrono::steady_clock::now() + *at_most;
      do {
        const auto left = std::max(end - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration{0});
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
        const timespec most{seconds.count(), std::chrono::nanoseconds{left - seconds}.count()};
        signal = sigtimedwait(&signals_, nullptr, &most);
      } while (signal < 0 && errno == EINTR);  // by Ctrl-Z and fg
    } else {
      sigwait(&signals_, &signal);
    }
    return signal;
  }

  sigset_t signals_{};
  std::stop_source stop_;
  std::atomic<bool> is_over_{false};
  std::thread waiting_;
};

}  // namespace bookings
