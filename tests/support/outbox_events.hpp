// SPDX-License-Identifier: MIT
// What the tests of workers share: a catalog with notifications, a handler that does as each event's script says,
// an observer that keeps a log of runs, a store that fails when told to, and a bench that joins them in virtual time.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/json/json_codec.hpp"
#include "event_relay/outbox/notification_events.hpp"
#include "event_relay/outbox/outbox.hpp"
#include "event_relay/outbox/worker.hpp"
#include "event_relay/testing/testing.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

/// In words where a check fails.
template <>
struct Catch::StringMaker<event_relay::worker_report> {
  static std::string convert(const event_relay::worker_report& report) {
    return fmt::format(
        "{} processed, {} retried, {} dead letters, {} stale, {} released, {} left running, {} left "
        "unsettled, {} breadcrumbs lost",
        report.processed, report.retried, report.dead_lettered, report.stale_settles, report.released,
        report.left_running, report.left_unsettled, report.lost_breadcrumbs);
  }
};

namespace event_relay_test {

using outbox_events = event_relay::event_catalog<booking_created, payment_captured, event_relay::email_notification,
                                                 event_relay::push_notification>;
using memory_answer = event_relay::durable_outcome<event_relay::testing::memory_store::transaction>;

/// What a handler was given.
struct given_run {
  std::string name;
  std::string id;
  std::string correlation;
  event_relay::instant occurred_at;
  bool replayed;
  event_relay::retry_metadata retry;
  std::uint64_t token;
  std::string caused_by;
  std::string trace;
  std::string source;
  std::stop_token stop;
};

/// Answers each run of an event with the next step of the script for its id, or else `otherwise`, which is
/// `processed` at first. A handle: its copies share scripts and record. Thread-safe.
class event_script {
 public:
  using step = std::function<memory_answer(const given_run&)>;

  /// `answer` is what a handler may return, or a function of the run that returns such, or nothing.
  template <class Answer>
  event_script& on(const std::string& id, Answer answer) {
    const std::lock_guard lock{shared_->mutex};
    shared_->steps[id].push_back(as_step(std::move(answer)));
    return *this;
  }
  template <class Answer>
  event_script& otherwise(Answer answer) {
    const std::lock_guard lock{shared_->mutex};
    shared_->otherwise = as_step(std::move(answer));
    return *this;
  }

  template <event_relay::event_type Event>
  memory_answer operator()(const event_relay::worker_envelope<Event>& envelope) {
    const event_relay::outbox_context& context = *envelope.outbox;
    const given_run given{.name = std::string{Event::name},
                          .id = envelope.event.id,
                          .correlation = std::string{envelope.event.correlation.view()},
                          .occurred_at = envelope.event.occurred_at,
                          .replayed = envelope.event.replayed,
                          .retry = envelope.retry,
                          .token = context.token,
                          .caused_by = std::string{context.caused_by},
                          .trace = std::string{context.traceparent},
                          .source = std::string{context.source},
                          .stop = context.stop};
    step next;
    {
      const std::lock_guard lock{shared_->mutex};
      shared_->runs.push_back(given);
      auto& steps = shared_->steps[given.id];
      if (steps.empty()) {
        next = shared_->otherwise;
      } else {
        next = std::move(steps.front());
        steps.pop_front();
      }
    }
    return next(given);
  }

  /// All runs so far, in the order of their starts.
  std::vector<given_run> runs() const {
    const std::lock_guard lock{shared_->mutex};
    return shared_->runs;
  }
  /// Their ids, joined by blanks.
  std::string ids() const {
    std::string joined;
    for (const given_run& each : runs()) {
      joined += joined.empty() ? each.id : ' ' + each.id;
    }
    return joined;
  }

 private:
  template <class Answer>
  static step as_step(Answer answer) {
    return [answer = std::move(answer)](const given_run& given) -> memory_answer {
      if constexpr (!std::is_invocable_v<const Answer&, const given_run&>) {
        static_cast<void>(given);
        return answer;
      } else if constexpr (std::is_void_v<std::invoke_result_t<const Answer&, const given_run&>>) {
        answer(given);
        return event_relay::processed{};
      } else {
        return answer(given);
      }
    };
  }

  struct state {
    std::mutex mutex;
    std::map<std::string, std::deque<step>> steps;
    step otherwise = as_step(event_relay::processed{});
    std::vector<given_run> runs;
  };
  std::shared_ptr<state> shared_ = std::make_shared<state>();
};

/// An observer that keeps all it hears: each handler's run, and each call as a line. A handle. Thread-safe.
class run_log {
 public:
  /// `from` and `to` number the moments of all runs, in one order; `ended` is absent of a run that never came back.
  struct run {
    std::string id;
    event_relay::lease held;
    event_relay::attempt_number attempt = 0;
    bool isolated = false;
    event_relay::instant started;
    std::optional<event_relay::instant> ended = std::nullopt;
    std::size_t from = 0;
    std::size_t to = static_cast<std::size_t>(-1);

    bool overlaps(const run& other) const { return from < other.to && other.from < to; }
  };
  /// Called with the line of each call, after it was noted; what it throws, the observer throws.
  using hook = std::function<void(std::string_view)>;

  void on_claimed(std::span<const event_relay::claimed_event> claims) {
    std::string line = "claimed";
    for (const event_relay::claimed_event& each : claims) {
      line += ' ' + named(each);
    }
    note(std::move(line));
  }
  void on_run_started(const event_relay::claimed_event& claim, event_relay::instant at) {
    {
      const std::lock_guard lock{shared_->mutex};
      shared_->runs.push_back({.id = claim.record.id,
                               .held = claim.held,
                               .attempt = claim.attempt,
                               .isolated = claim.isolated,
                               .started = at,
                               .from = shared_->moments++});
    }
    note("started " + named(claim));
  }
  void on_run_ended(const event_relay::claimed_event& claim, event_relay::instant at) {
    {
      const std::lock_guard lock{shared_->mutex};
      const auto begun = std::find_if(shared_->runs.rbegin(), shared_->runs.rend(),
                                      [&](const run& each) { return each.held == claim.held; });
      begun->ended = at;
      begun->to = shared_->moments++;
    }
    note("ended " + named(claim));
  }
  void on_settling() { note("settling"); }
  void on_settled(const event_relay::claimed_event& claim, const event_relay::decision& decided,
                  event_relay::settle_status status) {
    const bool is_applied = status == event_relay::settle_status::applied;
    note(fmt::format("settled {} {}{}", named(claim), wire_name(decided.status), is_applied ? "" : ", refused"));
  }

  void set_hook(hook call) { shared_->call = std::move(call); }
  /// The process of the runs that have not ended is no more.
  void end_open_runs() {
    const std::lock_guard lock{shared_->mutex};
    for (run& each : shared_->runs) {
      each.to = std::min(each.to, shared_->moments);
    }
    ++shared_->moments;
  }

  std::vector<run> runs() const {
    const std::lock_guard lock{shared_->mutex};
    return shared_->runs;
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock{shared_->mutex};
    return shared_->lines;
  }
  /// How many lines begin with `start`.
  std::size_t count(std::string_view start) const {
    const std::vector<std::string> all = lines();
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const std::string& line) { return line.starts_with(start); }));
  }

 private:
  static std::string named(const event_relay::claimed_event& claim) {
    return fmt::format("{}#{}{}", claim.record.id, claim.attempt, claim.isolated ? " isolated" : "");
  }

  void note(std::string line) {
    {
      const std::lock_guard lock{shared_->mutex};
      shared_->lines.push_back(line);
    }
    if (shared_->call) {
      shared_->call(line);
    }
  }

  struct state {
    std::mutex mutex;
    std::vector<run> runs;
    std::vector<std::string> lines;
    std::size_t moments = 0;
    hook call;
  };
  std::shared_ptr<state> shared_ = std::make_shared<state>();
};

/// What is wrong with a log of runs: events that ran twice at a time, and orphans that did not run alone.
inline std::vector<std::string> faults_of(const std::vector<run_log::run>& runs) {
  std::vector<std::string> faults;
  for (std::size_t one = 0; one < runs.size(); ++one) {
    for (std::size_t other = one + 1; other < runs.size(); ++other) {
      if (!runs[one].overlaps(runs[other])) {
        continue;
      }
      if (runs[one].id == runs[other].id) {
        faults.push_back(runs[one].id + " runs twice at a time");
      }
      if (runs[one].isolated || runs[other].isolated) {
        faults.push_back(fmt::format("{} and {}: an orphan is not alone", runs[one].id, runs[other].id));
      }
    }
  }
  return faults;
}

/// A memory_store whose operations fail when told to, before they change anything, and which counts them. A failure
/// wakes the worker, so that no test waits for its pause.
class failing_store : public event_relay::testing::memory_store {
 public:
  enum operation { claim, settle, renew_leases, release_leases, look, time };

  using memory_store::memory_store;

  /// The next `times` calls of `which` throw.
  void fail(operation which, int times = 1, event_relay::store_errc cause = event_relay::store_errc::busy) {
    const std::lock_guard lock{mutex_};
    failures_left_[which] = times;
    cause_ = cause;
  }
  int calls(operation which) const {
    const std::lock_guard lock{mutex_};
    return calls_[which];
  }
  /// Blocks until there were so many.
  void wait_for_calls(operation which, int count) {
    std::unique_lock lock{mutex_};
    called_.wait(lock, [&] { return calls_[which] >= count; });
  }
  /// Called after each turn.
  void set_hook(std::function<void(const event_relay::exchange_result&)> call) { after_exchange_ = std::move(call); }
  void set_warning(std::string text) { warning_ = std::move(text); }

  event_relay::exchange_result exchange(std::span<const event_relay::settlement<transaction>> settlements,
                                        const event_relay::claim_request& request) {
    enter(settlements.empty() ? claim : settle);
    event_relay::exchange_result result = memory_store::exchange(settlements, request);
    if (after_exchange_) {
      after_exchange_(result);
    }
    return result;
  }
  std::vector<bool> renew(std::span<const event_relay::lease> leases, std::chrono::milliseconds length) {
    enter(renew_leases);
    return memory_store::renew(leases, length);
  }
  std::size_t release(std::span<const event_relay::lease> leases) {
    enter(release_leases);
    return memory_store::release(leases);
  }
  bool has_unfinished() {
    enter(look);
    return memory_store::has_unfinished();
  }
  event_relay::instant now() {
    enter(time);
    return memory_store::now();
  }
  std::optional<std::string> warning() { return std::exchange(warning_, std::nullopt); }

 private:
  void enter(operation which) {
    const std::lock_guard lock{mutex_};
    ++calls_[which];
    called_.notify_all();
    if (failures_left_[which] > 0) {
      --failures_left_[which];
      signal().wake();
      throw event_relay::store_error{cause_, "told to fail"};
    }
  }

  event_relay::store_errc cause_ = event_relay::store_errc::busy;
  mutable std::mutex mutex_;
  std::condition_variable called_;
  int failures_left_[time + 1] = {};
  int calls_[time + 1] = {};
  std::function<void(const event_relay::exchange_result&)> after_exchange_;
  std::optional<std::string> warning_;
};

/// All that surrounds a worker in these tests. The handles stay here while their copies move into the worker:
/// `worker tested{bench.box, bench.handler, bench.options()}`.
template <event_relay::event_store Store = event_relay::testing::memory_store,
          event_relay::catalog Catalog = outbox_events>
struct worker_bench {
  event_relay::testing::manual_clock clock{sample_instant};
  Store store{clock};
  event_relay::outbox<Catalog, Store, event_relay::json_codec> box{Catalog{}, store, event_relay::json_codec{}};
  event_relay::testing::collecting_sink sink;
  event_script handler;
  run_log log;

  static constexpr std::chrono::seconds lease{30};

  auto options() { return event_relay::worker_options().with_sink(sink).with_observer(log); }

  /// In one transaction of the host.
  template <event_relay::event_type... Events>
  void append(const Events&... events) {
    typename Store::host_transaction host{store};
    (box.append(host, events), ...);
    host.commit();
  }
  /// booking.created events "evt-1" to "evt-<count>".
  void append_bookings(int count) {
    typename Store::host_transaction host{store};
    for (int number = 1; number <= count; ++number) {
      box.append(host, sample_event(fmt::format("evt-{}", number)));
    }
    host.commit();
  }
  void append(const event_relay::append_options& options, const booking_created& event = sample_event()) {
    typename Store::host_transaction host{store};
    box.append(host, event, options);
    host.commit();
  }
  /// As no outbox would write it.
  void append_record(const event_relay::event_record& record) {
    typename Store::host_transaction host{store};
    store.append(host, {&record, 1});
    host.commit();
  }

  /// What another worker gets that claims now: it takes the lease, and does nothing with it.
  std::vector<event_relay::claimed_event> claim_elsewhere(
      event_relay::claim_kind kind = event_relay::claim_kind::ordinary, std::size_t limit = 100) {
    return event_relay::claim(store, {limit, lease, kind}).claimed;
  }
  /// The same, and its leases expire.
  void crash_elsewhere(event_relay::claim_kind kind = event_relay::claim_kind::ordinary, std::size_t limit = 100) {
    claim_elsewhere(kind, limit);
    clock.advance(lease);
  }
};

/// Where an event stands, in short: "ready 1", "leased 2", "dead-letter 3 rejected", or "gone"; the number is its
/// attempts'.
template <class Store>
std::string state_of(Store& store, std::string_view id) {
  const auto found = store.find(id);
  if (!found) {
    return "gone";
  }
  return fmt::format("{} {}{}{}", wire_name(found->state), found->attempts, found->reason ? " " : "",
                     found->reason ? wire_name(*found->reason) : "");
}

/// The failures that are kept of an event: "1 busy, 2 still busy".
template <class Store>
std::string history_of(Store& store, std::string_view id) {
  std::string history;
  if (const auto found = store.find(id)) {
    for (const event_relay::failure_record& each : found->failures) {
      history += fmt::format("{}{} {}", history.empty() ? "" : ", ", each.attempt, each.text);
    }
  }
  return history;
}

}  // namespace event_relay_test
