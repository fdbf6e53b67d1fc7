// SPDX-License-Identifier: MIT
// The durable driver: it claims events, attempts them, and stores what became of them, until it is told to
// stop or there is nothing left. What a crash interrupts, another worker finds when the leases expire.
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
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/backoff.hpp"
#include "event_relay/core/handler.hpp"
#include "event_relay/core/jitter.hpp"
#include "event_relay/core/random.hpp"
#include "event_relay/outbox/attempt_runner.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/lease_keeper.hpp"
#include "event_relay/outbox/outbox.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/solo_gate.hpp"
#include "event_relay/outbox/store.hpp"
#include "event_relay/outbox/worker_breadcrumbs.hpp"
#include "event_relay/outbox/worker_options.hpp"

namespace event_relay {

/// What a worker did. Events are counted when their attempt's end is stored.
struct worker_report {
  std::uint64_t processed = 0;
  std::uint64_t retried = 0;
  std::uint64_t dead_lettered = 0;
  /// Attempts whose end was refused, because another worker has the event by now.
  std::uint64_t stale_settles = 0;
  /// Claimed, and given back without an attempt.
  std::uint64_t given_back = 0;
  /// Attempts that still ran when the deadline to stop had passed.
  std::uint64_t left_running = 0;
  /// Attempted, and not stored when the worker ended: their leases will expire.
  std::uint64_t left_unsettled = 0;
  /// Breadcrumbs that the sink refused by throwing.
  std::uint64_t lost_breadcrumbs = 0;

  worker_report& operator+=(const worker_report& other) {
    processed += other.processed;
    retried += other.retried;
    dead_lettered += other.dead_lettered;
    stale_settles += other.stale_settles;
    given_back += other.given_back;
    left_running += other.left_running;
    left_unsettled += other.left_unsettled;
    lost_breadcrumbs += other.lost_breadcrumbs;
    return *this;
  }
  bool operator==(const worker_report&) const = default;
};

/// Carries the events of an outbox to their end. **Delivery**: an event's handler runs at least once; its
/// end, its follow-ups and the handler's own writes are stored together, once. An attempt counts when it is
/// claimed; a crash counts against an event only if nothing else ran in the process (see `solo_gate`).
/// **Thread safety**: `run`, `run_until_done` and `run_once` from one thread at a time; `heartbeat` from any.
/// The handler, and the parts of the options, are called from all the worker's threads at once.
template <class Outbox, class Handler, class Options = decltype(worker_options())>
class worker {
  using store_type = typename Outbox::store_type;
  using transaction = typename store_type::transaction;
  using runner_type = attempt_runner<Outbox, Handler, Options>;
  static_assert(detail::handles_all<Handler, typename Outbox::catalog_type, durable_outcome<transaction>>);

 public:
  /// Refers to the outbox, which must outlive it.
  worker(Outbox& outbox, Handler handler, Options options = worker_options())
      : outbox_{outbox}, handler_{std::move(handler)}, options_{std::move(options)} {}

  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  /// Works on `threads` threads until `stop` is requested. Then it claims nothing more, gives back at once
  /// what it has not begun, lets attempts finish and stores their end; those that still run after the stop
  /// deadline are asked to stop, and waited for. What the store throws makes it pause and try again; what an
  /// injected part throws ends it, and is thrown again here.
  worker_report run(const std::stop_token& stop) { return run_threads(stop, until::stopped); }

  /// The same, and until nothing is ready, scheduled, leased or suspect, for this worker or any other.
  worker_report run_until_done(const std::stop_token& stop = {}) { return run_threads(stop, until::done); }

  /// One step, on the calling thread: one claim, its attempts, and their settlement. A suspect is a step of
  /// its own. Throws what the store throws; attempts that were made are then settled by the next step.
  worker_report run_once() {
    take_step(own_, {}, step_end::after_one_batch);
    return std::exchange(own_.report, {});
  }

  /// Renews what is held, and asks attempts to stop that take too long. `run` calls it at a third of the
  /// lease. Throws what the store throws.
  void heartbeat() {
    if (const auto warned = outbox_.store().warning()) {
      say(outbox_steps::store_warning, breadcrumb_status::warned, *warned);
    }
    const lease_keeper::findings found = keeper_.heartbeat(outbox_.store(), options_.limits());
    given_back_ += found.given_back;
    for (const auto& each : found.too_long) {
      lost_breadcrumbs_ += crumbs_.say_of(outbox_steps::run_too_long, breadcrumb_status::failed, each.name, each.id,
                                          each.correlation_id, "the attempt exceeds its maximum run time");
    }
    for (const auto& each : found.lost) {
      lost_breadcrumbs_ += crumbs_.say_of(outbox_steps::lease_lost, breadcrumb_status::failed, each.name, each.id,
                                          each.correlation_id, "another worker has the event by now");
    }
  }

 private:
  enum class until { stopped, done };
  enum class step_end { after_one_batch, when_nothing_is_left };

  // What one thread holds. After an exception of the store it is as it was, and the next step goes on.
  struct hand {
    explicit hand(lease_keeper& all) : keeper{all}, kept{all.open()} {}
    ~hand() { keeper.close(kept); }
    hand(const hand&) = delete;
    hand& operator=(const hand&) = delete;

    lease_keeper& keeper;
    lease_keeper::batch& kept;
    std::vector<claimed_event> next;    // claimed, not begun
    std::vector<claimed_event> claims;  // what `attempts` refer to
    std::vector<typename runner_type::finished> attempts;
    bool is_suspects_turn = false;
    bool found_work = false;
    std::optional<instant> next_due;
    worker_report report;
  };

  // ---- One step ----

  void take_step(hand& mine, const std::stop_token& stop, step_end end) {
    mine.found_work = false;
    const bool is_solo = mine.is_suspects_turn || is_holding_a_suspect(mine);
    if (is_solo) {
      const solo_gate::solo_pass alone{solo_gate::of_process()};
      take_step(mine, stop, end, claim_kind::suspect);
    } else {
      const solo_gate::shared_pass together{solo_gate::of_process()};
      take_step(mine, stop, end, claim_kind::ordinary);
    }
  }

  void take_step(hand& mine, const std::stop_token& stop, step_end end, claim_kind kind) {
    // A suspect's turn is followed by the others', so that neither waits for all of the other.
    mine.is_suspects_turn = false;
    if (mine.attempts.empty() && mine.next.empty()) {
      turn(mine, kind, options_.limits().batch);
    }
    while (!mine.attempts.empty() || !mine.next.empty()) {
      mine.found_work = true;
      if (mine.attempts.empty()) {
        attempt_next(mine, stop);
      }
      const bool goes_on = end == step_end::when_nothing_is_left && kind == claim_kind::ordinary &&
                           !mine.is_suspects_turn && !stop.stop_requested() &&
                           !solo_gate::of_process().solo_is_wanted() && mine.next.empty();
      turn(mine, kind, goes_on ? options_.limits().batch : 0);
    }
  }

  static bool is_holding_a_suspect(const hand& mine) {
    const std::vector<claimed_event>& held = mine.attempts.empty() ? mine.next : mine.claims;
    return !held.empty() && held.front().solo;
  }

  void attempt_next(hand& mine, const std::stop_token& stop) {
    mine.claims = std::exchange(mine.next, {});
    runner_type runner{outbox_, handler_, options_};
    for (std::size_t at = 0; at < mine.claims.size(); ++at) {
      if (stop.stop_requested()) {
        give_back_waiting(mine);
      }
      const instant now = outbox_.store().now();
      if (keeper_.start(mine.kept, at, now)) {
        mine.attempts.push_back(
            runner.run(mine.claims[at], now, keeper_.stop_of(mine.kept), mine.report.lost_breadcrumbs));
        keeper_.finish(mine.kept, at);
      }
    }
    if (mine.attempts.empty()) {
      keeper_.drop(mine.kept, mine.claims.size());
    }
  }

  // If the store fails, the leases will expire, which costs no attempt either.
  void give_back_waiting(hand& mine) {
    try {
      mine.report.given_back += keeper_.give_back_waiting(mine.kept, outbox_.store());
    } catch (const std::system_error& error) {
      say(outbox_steps::store_paused, breadcrumb_status::retrying, error.what());
    }
  }

  // Settles what was attempted and claims up to `limit` more, in one transaction of the store.
  void turn(hand& mine, claim_kind kind, std::size_t limit) {
    if (mine.attempts.empty() && limit == 0) {
      return;
    }
    std::vector<settlement<transaction>> settlements;
    settlements.reserve(mine.attempts.size());
    for (auto& each : mine.attempts) {
      settlements.push_back(std::move(each.to_settle));
    }
    turn_result result;
    try {
      if (!settlements.empty()) {
        options_.observer().on_settling();
      }
      result = outbox_.store().turn(settlements, {limit, options_.limits().lease, kind});
    } catch (...) {
      for (std::size_t at = 0; at < settlements.size(); ++at) {
        mine.attempts[at].to_settle = std::move(settlements[at]);
      }
      throw;
    }
    if (!result.claimed.empty()) {
      mine.next = std::move(result.claimed);
      keeper_.hold_all(mine.kept, mine.next);
      options_.observer().on_claimed(mine.next);
    }
    if (limit > 0) {
      mine.is_suspects_turn = kind == claim_kind::ordinary && result.suspects_waiting;
      mine.next_due = result.next_due;
    }
    if (!settlements.empty()) {
      take_answers(mine, result.settled);
    }
  }

  void take_answers(hand& mine, std::vector<settle_result>& answers) {
    runner_type runner{outbox_, handler_, options_};
    std::vector<typename runner_type::finished> to_settle_again;
    for (std::size_t at = 0; at < answers.size(); ++at) {
      auto& done = mine.attempts[at];
      if (answers[at].status == settle_status::write_failed) {
        runner.fail(done, std::move(answers[at].error));
        to_settle_again.push_back(std::move(done));
        continue;
      }
      count(mine.report, done, answers[at].status);
      options_.observer().on_settled(*done.claim, done.decided, answers[at].status);
    }
    mine.attempts = std::move(to_settle_again);
    if (mine.attempts.empty()) {
      keeper_.drop(mine.kept, mine.claims.size());
    }
  }

  void count(worker_report& report, const typename runner_type::finished& done, settle_status status) {
    if (status == settle_status::stale) {
      ++report.stale_settles;
      const event_record& record = done.claim->record;
      report.lost_breadcrumbs +=
          crumbs_.say_of(outbox_steps::stale_settle, breadcrumb_status::failed, record.name, record.id,
                         record.correlation_id, "the attempt's end was not stored: its lease had expired");
      return;
    }
    switch (done.decided.status) {
      case attempt_status::processed: ++report.processed; break;
      case attempt_status::retry_scheduled: ++report.retried; break;
      case attempt_status::dead_letter: ++report.dead_lettered; break;
    }
    if constexpr (!std::is_same_v<std::remove_reference_t<decltype(options_.sink())>, null_sink>) {
      report.lost_breadcrumbs += crumbs_.settled(done);
    }
  }

  // ---- Many steps, on threads ----

  worker_report run_threads(const std::stop_token& stop, until end) {
    std::stop_source stopping;   // requested by the host, when all is done, or by a thread that cannot go on
    std::stop_source giving_up;  // requested when the stop deadline has passed
    const std::stop_callback forward{stop, [&] { stopping.request_stop(); }};
    std::list<hand> hands;
    std::exception_ptr first_failure;
    std::mutex mutex;
    std::condition_variable_any ended;
    std::size_t running = options_.limits().threads;

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
      std::jthread heart{
          [&](const std::stop_token& no_more) { run_guarded([&] { beat(no_more, giving_up.get_token()); }); }};
      std::vector<std::jthread> threads;
      for (std::size_t at = 0; at < options_.limits().threads; ++at) {
        hand& mine = hands.emplace_back(keeper_);
        threads.emplace_back([&] {
          run_guarded([&] { work(mine, stopping, giving_up.get_token(), end); });
          const std::lock_guard lock{mutex};
          --running;
          ended.notify_all();
        });
      }
      std::unique_lock lock{mutex};
      const auto all_ended = [&] { return running == 0; };
      ended.wait(lock, stopping.get_token(), all_ended);
      if (!ended.wait_for(lock, options_.limits().stop_deadline, all_ended)) {
        lock.unlock();
        giving_up.request_stop();
        report.left_running = keeper_.stop_running();
        lock.lock();
        ended.wait(lock, all_ended);
      }
    }
    for (const hand& each : hands) {
      report += each.report;
      report.left_unsettled += each.attempts.size();
    }
    report.given_back += given_back_.exchange(0);
    report.lost_breadcrumbs += lost_breadcrumbs_.exchange(0);
    report.lost_breadcrumbs += say_stopped(report);
    if (first_failure) {
      std::rethrow_exception(first_failure);
    }
    return report;
  }

  void work(hand& mine, std::stop_source& stopping, const std::stop_token& giving_up, until end) {
    const std::stop_token stop = stopping.get_token();
    const auto has_work_in_hand = [&] { return !mine.attempts.empty() || !mine.next.empty(); };
    attempt_number failures = 0;
    while (!stop.stop_requested() || (has_work_in_hand() && !giving_up.stop_requested())) {
      const std::uint64_t seen = outbox_.store().signal().count();
      std::chrono::milliseconds wait{0};
      try {
        take_step(mine, stop, step_end::when_nothing_is_left);
        if (failures > 0) {
          failures = 0;
          say(outbox_steps::store_resumed, breadcrumb_status::succeeded, {});
        }
        if (mine.found_work || mine.is_suspects_turn) {
          continue;
        }
        if (end == until::done && !outbox_.store().has_unfinished()) {
          stopping.request_stop();
          return;
        }
        wait = idle_time(mine);
      } catch (const std::system_error& error) {
        if (++failures == 1) {
          say(outbox_steps::store_paused, breadcrumb_status::retrying, error.what());
        }
        wait = pause_.delay(failures, options_.random());
      }
      outbox_.store().signal().wait(seen, wait, has_work_in_hand() ? giving_up : stop);
    }
  }

  std::chrono::milliseconds idle_time(const hand& mine) {
    const std::chrono::milliseconds longest = options_.limits().poll_interval;
    if (!mine.next_due) {
      return longest;
    }
    return std::clamp(*mine.next_due - outbox_.store().now(), std::chrono::milliseconds{1}, longest);
  }

  void beat(const std::stop_token& no_more, const std::stop_token& giving_up) {
    wake_signal nobody_wakes;
    std::stop_source ends;
    const std::stop_callback one{no_more, [&] { ends.request_stop(); }};
    const std::stop_callback other{giving_up, [&] { ends.request_stop(); }};
    while (!ends.stop_requested()) {
      try {
        heartbeat();
      } catch (const std::system_error& error) {
        say(outbox_steps::store_paused, breadcrumb_status::retrying, error.what());
      }
      nobody_wakes.wait(0, options_.limits().lease / 3, ends.get_token());
    }
  }

  std::uint64_t say_stopped(const worker_report& report) {
    const bool is_clean = report.left_running == 0 && report.left_unsettled == 0;
    return crumbs_.say(outbox_steps::stopped, is_clean ? breadcrumb_status::succeeded : breadcrumb_status::warned,
                       is_clean ? std::string{}
                                : fmt::format("{} attempts still ran at the deadline, {} were not stored",
                                              report.left_running, report.left_unsettled));
  }

  void say(std::string_view step, breadcrumb_status status, std::string_view text) {
    lost_breadcrumbs_ += crumbs_.say(step, status, text);
  }

  Outbox& outbox_;
  Handler handler_;
  Options options_;
  worker_breadcrumbs<std::remove_reference_t<decltype(std::declval<Options&>().sink())>> crumbs_{options_.sink(),
                                                                                                 options_.sources()};
  // Between two tries of a store that fails: long enough to be no burden, short enough to be back soon.
  capped<exponential_backoff> pause_{exponential_backoff{std::chrono::milliseconds{50}}, std::chrono::seconds{5}};
  lease_keeper keeper_;
  hand own_{keeper_};  // of `run_once`
  std::atomic<std::uint64_t> given_back_{0};
  std::atomic<std::uint64_t> lost_breadcrumbs_{0};
};

}  // namespace event_relay
