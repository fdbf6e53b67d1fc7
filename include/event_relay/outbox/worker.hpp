// SPDX-License-Identifier: MIT
// The durable driver: it attempts events until they have ended, on threads of its own, until a stop is
// requested or nothing is left. What a crash interrupts is claimed again when its lease expires.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/backoff.hpp"
#include "event_relay/core/breadcrumb.hpp"
#include "event_relay/core/handler.hpp"
#include "event_relay/core/jitter.hpp"
#include "event_relay/outbox/durable_outcome.hpp"
#include "event_relay/outbox/executor.hpp"
#include "event_relay/outbox/lease_manager.hpp"
#include "event_relay/outbox/outbox.hpp"
#include "event_relay/outbox/store.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/outbox/wake_signal.hpp"
#include "event_relay/outbox/worker_breadcrumbs.hpp"
#include "event_relay/outbox/worker_options.hpp"
#include "event_relay/outbox/worker_report.hpp"

namespace event_relay {

/// Attempts the events of an outbox until they have ended. **Delivery**: an event's handler runs at least
/// once; its end, its follow-ups and the handler's own writes are stored together, once. An attempt counts
/// from its claim; a crash counts against an event only if the event ran isolated (see `isolation_lock`).
/// **Thread safety**: `run`, `run_until_done` and `run_once` from one thread at a time; `heartbeat` from any.
/// The handler, and the parts of the options, are called from all the worker's threads at once.
template <class Outbox, class Handler, class Options = decltype(worker_options())>
class worker {
  using executor_type = executor<Outbox, Handler, Options>;
  static_assert(detail::handles_all<Handler, typename Outbox::catalog_type,
                                    durable_outcome<typename Outbox::store_type::transaction>>);

 public:
  /// Refers to the outbox, which must outlive it.
  worker(Outbox& outbox, Handler handler, Options options = worker_options())
      : parts_{outbox, std::move(handler), std::move(options)} {}

  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  /// Works on `threads` threads until `stop` is requested. Then it claims nothing more, releases at once what
  /// it has not begun, lets attempts finish and stores their end; those that still run after the stop
  /// deadline are asked to stop, and waited for. After an error of the store it pauses and tries again, for
  /// as long as it takes; what an injected part throws ends it, and is thrown again here.
  worker_report run(const std::stop_token& stop) { return run_threads(stop, until::stopped); }

  /// The same, until no event is ready, scheduled, leased or an orphan, of this worker or any other. A store
  /// error that is not retryable (see `is_retryable`) ends it as well, and is thrown.
  worker_report run_until_done(const std::stop_token& stop = {}) { return run_threads(stop, until::done); }

  /// One step, on the calling thread: one claim, its attempts, and their settlement. An orphan takes a step
  /// of its own. Throws what the store throws; attempts that were made are then settled by the next step.
  worker_report run_once() {
    own_executor_.step({}, executor_type::step_end::after_one_batch);
    worker_report report = std::exchange(own_executor_.report(), {});
    report.released += released_.exchange(0);
    report.lost_breadcrumbs += lost_breadcrumbs_.exchange(0);
    return report;
  }

  /// Renews the leases, asks attempts to stop that take too long, and does a part of the store's maintenance.
  /// `run` calls it every third of a lease, and does more maintenance in between while there is more to do.
  /// Returns whether there is. Throws what the store throws.
  bool heartbeat() {
    if (const auto warned = parts_.store().warning()) {
      log(outbox_steps::store_warning, breadcrumb_status::warned, *warned);
    }
    const lease_manager::findings found = parts_.manager.heartbeat(parts_.store(), parts_.options.limits());
    released_ += found.released;
    log_each(found.too_long, outbox_steps::run_too_long, "the attempt exceeds its maximum run time");
    log_each(found.lost, outbox_steps::lease_lost, "the lease is over, and another worker may have the event");
    return parts_.store().maintain(maintained_at_once);
  }

 private:
  enum class until { stopped, done };

  worker_report run_threads(const std::stop_token& stop, until end) {
    std::stop_source stopping;         // requested by the host, when all is done, or by a thread that cannot go on
    std::stop_source deadline_passed;  // requested when the stop deadline has passed
    const std::stop_callback forward{stop, [&] { stopping.request_stop(); }};
    std::list<executor_type> executors;
    std::exception_ptr first_failure;
    std::mutex mutex;
    std::condition_variable_any ended;
    std::size_t threads_ended = 0;

    const auto run_guarded = [&](auto&& body) {
      try {
        body();
      } catch (...) {
        {
          const std::lock_guard lock{mutex};
          if (!first_failure) {
            first_failure = std::current_exception();
          }
        }
        stopping.request_stop();
      }
    };
    worker_report report;
    {
      std::jthread heart{[&](const std::stop_token& no_more) { run_guarded([&] { beat(no_more); }); }};
      std::vector<std::jthread> threads;
      run_guarded([&] {
        while (threads.size() < parts_.options.limits().threads) {
          threads.emplace_back([&, &mine = executors.emplace_back(parts_)] {
            run_guarded([&] { work(mine, stopping, deadline_passed.get_token(), end); });
            const std::lock_guard lock{mutex};
            ++threads_ended;
            ended.notify_all();
          });
        }
      });
      std::unique_lock lock{mutex};
      const auto all_ended = [&] { return threads_ended == threads.size(); };
      ended.wait(lock, stopping.get_token(), all_ended);
      if (!ended.wait_for(lock, parts_.options.limits().stop_deadline, all_ended)) {
        lock.unlock();
        deadline_passed.request_stop();
        report.left_running = parts_.manager.stop_running();
        lock.lock();
        ended.wait(lock, all_ended);
      }
    }
    for (executor_type& each : executors) {
      report += each.report();
      report.left_unsettled += each.unsettled();
    }
    report.released += released_.exchange(0);
    report.lost_breadcrumbs += lost_breadcrumbs_.exchange(0);
    report.lost_breadcrumbs += log_stopped(report);
    if (first_failure) {
      std::rethrow_exception(first_failure);
    }
    return report;
  }

  void work(executor_type& mine, std::stop_source& stopping, const std::stop_token& deadline_passed, until end) {
    const std::stop_token stop = stopping.get_token();
    attempt_number failures = 0;
    while (!stop.stop_requested() || (!mine.is_empty() && !deadline_passed.stop_requested())) {
      const std::uint64_t seen = parts_.store().signal().count();
      std::chrono::milliseconds wait{0};
      try {
        const bool may_find_more = mine.step(stop, executor_type::step_end::when_nothing_is_left);
        if (failures > 0) {
          failures = 0;
          log(outbox_steps::store_resumed, breadcrumb_status::succeeded, {});
        }
        if (may_find_more) {
          continue;
        }
        if (end == until::done && !parts_.store().has_unfinished()) {
          stopping.request_stop();
          return;
        }
        wait = idle_time(mine);
      } catch (const store_error& error) {
        if (end == until::done && !is_retryable(error.code())) {
          throw;
        }
        wait = pause_.delay(++failures, parts_.options.random());
        if (failures == 1 || wait == longest_pause) {
          log(outbox_steps::store_paused, breadcrumb_status::retrying, error.what());
        }
      }
      parts_.store().signal().wait(seen, wait, !mine.is_empty() ? deadline_passed : stop);
    }
  }

  std::chrono::milliseconds idle_time(const executor_type& mine) {
    const std::chrono::milliseconds longest = parts_.options.limits().poll_interval;
    if (!mine.next_due()) {
      return longest;
    }
    return std::clamp(std::max(*mine.next_due(), min_instant) - parts_.store().now(), std::chrono::milliseconds{1},
                      longest);
  }

  void beat(const std::stop_token& no_more) {
    wake_signal never_woken;
    const std::chrono::milliseconds every = parts_.options.limits().lease / 3;
    while (!no_more.stop_requested()) {
      std::chrono::milliseconds wait = every;
      try {
        const instant next = saturating_add(parts_.store().now(), every);
        bool has_more = heartbeat();
        while (has_more && !no_more.stop_requested() && parts_.store().now() < next) {
          has_more = parts_.store().maintain(maintained_at_once);  // other writers may write between two calls
        }
        wait = std::clamp(next - parts_.store().now(), std::chrono::milliseconds{1}, every);
      } catch (const store_error& error) {
        log(outbox_steps::heartbeat_failed, breadcrumb_status::retrying, error.what());
      }
      never_woken.wait(0, wait, no_more);
    }
  }

  std::uint64_t log_stopped(const worker_report& report) {
    const bool is_clean = report.left_running == 0 && report.left_unsettled == 0;
    return parts_.breadcrumbs().log(outbox_steps::stopped,
                                    is_clean ? breadcrumb_status::succeeded : breadcrumb_status::warned,
                                    is_clean ? std::string{}
                                             : fmt::format("{} attempts still ran at the deadline, {} were not stored",
                                                           report.left_running, report.left_unsettled));
  }

  void log(std::string_view step, breadcrumb_status status, std::string_view text) {
    lost_breadcrumbs_ += parts_.breadcrumbs().log(step, status, text);
  }

  void log_each(const std::vector<lease_manager::event_name_and_id>& events, std::string_view step,
                std::string_view text) {
    for (const auto& each : events) {
      lost_breadcrumbs_ +=
          parts_.breadcrumbs().log_of(step, breadcrumb_status::failed, each.name, each.id, each.correlation_id, text);
    }
  }

  // These take a few milliseconds.
  static constexpr std::size_t maintained_at_once = 200;

  worker_parts<Outbox, Handler, Options> parts_;
  // The pause between two tries of a store that fails: long enough to be no load, short enough to resume
  // soon.
  static constexpr std::chrono::milliseconds longest_pause{std::chrono::seconds{5}};
  capped<exponential_backoff> pause_{exponential_backoff{std::chrono::milliseconds{50}}, longest_pause};
  executor_type own_executor_{parts_};  // for `run_once`
  std::atomic<std::uint64_t> released_{0};
  std::atomic<std::uint64_t> lost_breadcrumbs_{0};
};

}  // namespace event_relay
