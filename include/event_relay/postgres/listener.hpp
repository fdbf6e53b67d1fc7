// SPDX-License-Identifier: MIT
// How the workers of other processes learn of a commit. The host's transaction notifies nobody: NOTIFY takes a lock of
// the whole server until the commit, which halves the rate of commits. Instead, after the host's commit, one thread of
// the store sends one NOTIFY for everything that was committed meanwhile. The same thread listens to other processes.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "event_relay/core/backoff.hpp"
#include "event_relay/core/jitter.hpp"
#include "event_relay/core/random.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/outbox/wake_signal.hpp"
#include "event_relay/postgres/driver/connection.hpp"
#include "event_relay/postgres/driver/error.hpp"
#include "event_relay/postgres/outbox_names.hpp"

namespace event_relay::postgres {

namespace detail {

/// A pipe by which one thread ends the poll() of another.
class poke_pipe {
 public:
  poke_pipe() {
    if (pipe(ends_.data()) != 0) {
      throw std::system_error{errno, std::generic_category(), "postgres: pipe"};
    }
    for (const int end : ends_) {
      fcntl(end, F_SETFL, O_NONBLOCK);
      fcntl(end, F_SETFD, FD_CLOEXEC);
    }
  }
  ~poke_pipe() {
    close(ends_[0]);
    close(ends_[1]);
  }
  poke_pipe(const poke_pipe&) = delete;
  poke_pipe& operator=(const poke_pipe&) = delete;

  void poke() const {
    const char byte = 0;
    [[maybe_unused]] const auto written = write(ends_[1], &byte, 1);  // a pipe that is full ends the poll() as well
  }
  void drain() const {
    std::array<char, 64> bytes;
    while (read(ends_[0], bytes.data(), bytes.size()) > 0) {
    }
  }
  int readable() const { return ends_[0]; }

 private:
  std::array<int, 2> ends_{-1, -1};
};

}  // namespace detail

/// Wakes `signal` when another process has committed, and tells the others when this one has. It gives hints only: its
/// connection, when it is lost, is made anew with backoff, and meanwhile the commits of others are found by polling.
/// Thread-safe.
class listener {
 public:
  using opener = std::function<std::unique_ptr<connection>()>;

  /// `name` is an SQL identifier without quotes. `open` makes the connection; it is called again after it has thrown.
  listener(std::string name, opener open, std::shared_ptr<wake_signal> signal)
      : name_{detail::quoted_identifier(name)},
        open_{std::move(open)},
        signal_{std::move(signal)},
        thread_{[this](const std::stop_token& stop) { run(stop); }} {}
  ~listener() {
    thread_.request_stop();
    pipe_.poke();
  }
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

  /// This process has committed something. Does not block.
  void tell_others() {
    if (!is_to_tell_.exchange(true)) {
      pipe_.poke();
    }
  }

  /// How often a connection was made, for tests and for operators.
  std::uint64_t connections() const { return connections_.load(); }

 private:
  // After a NOTIFY the next one waits so long: workers that are busy need no more, and those that were idle are awake.
  static constexpr std::chrono::milliseconds between_tellings{5};

  void run(const std::stop_token& stop) {
    // Signals are for the host, which may wait for them in a thread of its own.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    capped<exponential_backoff> backoff{exponential_backoff{std::chrono::milliseconds{50}}, std::chrono::seconds{2}};
    process_random random;
    attempt_number failures = 0;
    while (!stop.stop_requested()) {
      try {
        const std::unique_ptr<connection> on = open_();
        on->run("SET synchronous_commit = off; LISTEN " + name_);  // a hint need not wait for the disk
        failures = 0;
        ++connections_;
        signal_->wake();  // for commits of the time without a connection
        serve(*on, stop);
      } catch (const store_error&) {
        wait(-1, backoff.delay(++failures, random));
      }
    }
  }

  void serve(connection& on, const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (is_to_tell_.exchange(false)) {
        on.run("NOTIFY " + name_);
        take_notifications(on);
        wait(-1, between_tellings);
      }
      // A wait may have drained a poke, whose reason was set before it.
      if (!is_to_tell_.load() && !stop.stop_requested()) {
        wait(PQsocket(on.handle()), std::chrono::milliseconds{-1});
      }
      take_notifications(on);
    }
  }

  void take_notifications(connection& on) {
    if (PQconsumeInput(on.handle()) == 0 || !on.is_usable()) {
      throw_error(on.handle(), nullptr, "listening for other processes' commits");
    }
    bool is_others = false;
    while (PGnotify* const each = PQnotifies(on.handle())) {
      is_others = is_others || each->be_pid != PQbackendPID(on.handle());
      PQfreemem(each);
    }
    if (is_others) {
      signal_->wake();
    }
  }

  // Until there is something to read or to tell, or the time is over. A negative time never is.
  void wait(int socket, std::chrono::milliseconds at_most) const {
    std::array<pollfd, 2> readable{{{pipe_.readable(), POLLIN, 0}, {socket, POLLIN, 0}}};
    poll(readable.data(), socket < 0 ? 1 : 2, static_cast<int>(at_most.count()));
    pipe_.drain();
  }

  std::string name_;
  opener open_;
  std::shared_ptr<wake_signal> signal_;
  detail::poke_pipe pipe_;
  std::atomic<bool> is_to_tell_{false};
  std::atomic<std::uint64_t> connections_{0};
  std::jthread thread_;  // joined before the rest is gone
};

}  // namespace event_relay::postgres
