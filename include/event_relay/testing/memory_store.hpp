// SPDX-License-Identifier: MIT
// An outbox in memory, for tests of handlers and services: all of a store's rules, and no file. What it holds
// is gone with it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event_relay/core/handler.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/queue_metrics.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/store.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/outbox/wake_signal.hpp"
#include "event_relay/testing/manual_clock.hpp"

namespace event_relay::testing {

/// An `event_store` on a `manual_clock`. Thread-safe but for `append`.
class memory_store {
 public:
  /// What a handler's writes are given: texts that are kept if the settlement is, in `written()`.
  struct transaction {
    std::vector<std::string> texts;
  };

  /// Stands for the host's transaction: what is appended in it is seen after `commit`, and never without.
  class host_transaction {
   public:
    explicit host_transaction(memory_store& store) : store_{&store} {}

    void commit() { store_->commit(std::exchange(appended_, {})); }

   private:
    friend class memory_store;
    memory_store* store_;
    std::vector<event_record> appended_;
  };
  using host_connection = host_transaction&;

  explicit memory_store(manual_clock clock = manual_clock{}, std::uint32_t failures_kept = 10)
      : clock_{std::move(clock)}, failures_kept_{failures_kept} {}

  std::vector<append_status> append(host_transaction& host, std::span<const event_record> records) {
    const std::lock_guard lock{mutex_};
    std::vector<append_status> answers;
    for (const event_record& record : records) {
      const auto has_its_id = [&](const event_record& other) { return other.id == record.id; };
      const bool is_there =
          find_row(record.id) != rows_.end() || std::any_of(host.appended_.begin(), host.appended_.end(), has_its_id);
      if (!is_there) {
        host.appended_.push_back(record);
        host.appended_.back().available_at = record.available_at.value_or(clock_.now());
      }
      answers.push_back(is_there ? append_status::duplicate : append_status::appended);
    }
    return answers;
  }

  turn_result turn(std::span<const settlement<transaction>> settlements, const claim_request& request) {
    const std::lock_guard lock{mutex_};
    turn_result result;
    for (const auto& each : settlements) {
      result.settled.push_back(settle_one(each));
    }
    if (request.limit > 0) {
      expire();
      claim_into(result, request);
      look_ahead(result, request);
    }
    return result;
  }

  std::vector<bool> renew(std::span<const lease> leases, std::chrono::milliseconds length) {
    const std::lock_guard lock{mutex_};
    std::vector<bool> renewed;
    for (const lease& each : leases) {
      stored_row* const held = held_row(each);
      if (held != nullptr) {
        held->event.leased_until = saturating_add(clock_.now(), length);
      }
      renewed.push_back(held != nullptr);
    }
    return renewed;
  }

  std::size_t give_back(std::span<const lease> leases) {
    std::size_t given_back = 0;
    {
      const std::lock_guard lock{mutex_};
      for (const lease& each : leases) {
        if (stored_row* const held = held_row(each); held != nullptr) {
          end_lease(*held, held->is_solo ? event_state::suspect : event_state::ready);
          --held->event.attempts;
          set_head(held->key());
          ++given_back;
        }
      }
    }
    signal_->wake();
    return given_back;
  }

  std::optional<stored_event> find(std::string_view id) {
    const std::lock_guard lock{mutex_};
    const auto found = find_row(id);
    return found == rows_.end() ? std::nullopt : std::optional{found->second.event};
  }

  void sweep(std::size_t) {
    const std::lock_guard lock{mutex_};
    std::set<std::string> keys;
    for (const auto& [number, row] : rows_) {
      keys.insert(row.key());
    }
    for (const std::string& key : keys) {
      set_head(key);
    }
  }

  bool has_unfinished() {
    const std::lock_guard lock{mutex_};
    return std::any_of(rows_.begin(), rows_.end(), [](const auto& each) {
      const event_state state = each.second.event.state;
      return state != event_state::dead_letter && state != event_state::blocked;
    });
  }

  dead_letter_page dead_letters(const dead_letter_filter& filter, const std::optional<dead_letter_cursor>& after,
                                std::size_t limit) {
    const std::lock_guard lock{mutex_};
    std::map<dead_letter_cursor, const stored_event*> found;
    for (const auto& [number, row] : rows_) {
      if (row.event.state == event_state::dead_letter && is_of(row.event, filter)) {
        found.emplace(dead_letter_cursor{*row.event.dead_since, number}, &row.event);
      }
    }
    dead_letter_page page;
    for (auto at = after ? found.upper_bound(*after) : found.begin(); at != found.end() && limit > 0; ++at) {
      page.events.push_back(*at->second);
      page.next = --limit == 0 && std::next(at) != found.end() ? std::optional{at->first} : std::nullopt;
    }
    return page;
  }

  std::vector<bool> redrive(std::span<const redrive_request> requests) {
    std::vector<bool> redriven;
    {
      const std::lock_guard lock{mutex_};
      for (const redrive_request& each : requests) {
        const auto found = find_dead(each.id);
        redriven.push_back(found != rows_.end());
        if (found != rows_.end()) {
          stored_row& row = found->second;
          row.event.state = row.key().empty() ? event_state::ready : event_state::blocked;
          row.event.holds_key = row.has_crashed = row.is_solo = false;
          row.event.attempts = 0;
          row.event.available_at = each.available_at;
          row.event.reason.reset();
          row.event.dead_since.reset();
          set_head(row.key());
        }
      }
    }
    signal_->wake();
    return redriven;
  }

  std::size_t purge(std::span<const std::string> ids) {
    std::size_t purged = 0;
    {
      const std::lock_guard lock{mutex_};
      for (const std::string& each : ids) {
        if (const auto found = find_dead(each); found != rows_.end()) {
          const std::string key = found->second.key();
          rows_.erase(found);
          set_head(key);
          ++purged;
        }
      }
    }
    signal_->wake();
    return purged;
  }

  queue_metrics metrics() {
    const std::lock_guard lock{mutex_};
    queue_metrics metrics{.at = clock_.now()};
    for (const auto& [number, row] : rows_) {
      switch (row.event.state) {
        case event_state::ready:
          if (row.event.available_at > metrics.at) {
            ++metrics.scheduled;
          } else {
            ++metrics.ready;
            metrics.oldest_lag = std::max(metrics.oldest_lag.value_or(std::chrono::milliseconds{0}),
                                          metrics.at - row.event.available_at);
          }
          break;
        case event_state::leased: ++metrics.leased; break;
        case event_state::suspect: ++metrics.suspects; break;
        case event_state::blocked: ++metrics.blocked; break;
        case event_state::dead_letter:
          ++metrics.dead_letters;
          metrics.held_keys += row.event.holds_key ? 1 : 0;
          break;
      }
    }
    for (const auto& [name, counts] : outcomes_) {
      metrics.outcomes.push_back(counts);
    }
    return metrics;
  }

  instant now() const { return clock_.now(); }
  wake_signal& signal() const { return *signal_; }
  std::optional<std::string> warning() const { return std::nullopt; }

  /// What handlers' writes have left, oldest first.
  std::vector<std::string> written() const {
    const std::lock_guard lock{mutex_};
    return written_;
  }

 private:
  struct stored_row {
    stored_event event;
    bool is_solo = false;
    bool has_crashed = false;
    std::uint32_t failures = 0;

    const std::string& key() const { return event.record.ordering_key; }
    // Whether the later events of its key wait for it.
    bool is_head() const {
      return !key().empty() && event.state != event_state::blocked &&
             (event.state != event_state::dead_letter || event.holds_key);
    }
  };
  using row_map = std::map<std::int64_t, stored_row>;

  row_map::iterator find_row(std::string_view id) {
    return std::find_if(rows_.begin(), rows_.end(),
                        [&](const auto& each) { return each.second.event.record.id == id; });
  }

  row_map::iterator find_dead(std::string_view id) {
    const auto found = find_row(id);
    return found != rows_.end() && found->second.event.state == event_state::dead_letter ? found : rows_.end();
  }

  static bool is_of(const stored_event& event, const dead_letter_filter& filter) {
    const auto agrees = [](const auto& wanted, const auto& is) { return !wanted || *wanted == is; };
    return agrees(filter.name, event.record.name) && agrees(filter.ordering_key, event.record.ordering_key) &&
           agrees(filter.correlation_id, event.record.correlation_id) && agrees(filter.reason, *event.reason) &&
           (!filter.since || *event.dead_since >= *filter.since) &&
           (!filter.until || *event.dead_since < *filter.until);
  }

  void count(const settlement<transaction>& each) {
    outcome_counts& counts = outcomes_[each.name];
    counts.name = each.name;
    ++counts.attempts;
    counts.processed += each.status == attempt_status::processed ? 1 : 0;
    counts.retried += each.status == attempt_status::retry_scheduled ? 1 : 0;
    counts.dead_lettered += each.status == attempt_status::dead_letter ? 1 : 0;
  }

  stored_row* held_row(const lease& held) {
    const auto found = rows_.find(held.row);
    const bool is_held = found != rows_.end() && found->second.event.state == event_state::leased &&
                         found->second.event.token == held.token;
    return is_held ? &found->second : nullptr;
  }

  static void end_lease(stored_row& row, event_state state) {
    row.event.state = state;
    row.event.leased_until.reset();
  }

  void commit(std::vector<event_record> appended) {
    {
      const std::lock_guard lock{mutex_};
      for (event_record& each : appended) {
        insert(std::move(each));
      }
    }
    signal_->wake();
  }

  void insert(event_record record) {
    if (find_row(record.id) != rows_.end()) {
      return;
    }
    const instant available_at = record.available_at.value_or(clock_.now());
    record.available_at.reset();
    const std::string key = record.ordering_key;
    rows_[++last_row_].event = {.record = std::move(record),
                                .state = key.empty() ? event_state::ready : event_state::blocked,
                                .available_at = available_at};
    set_head(key);
  }

  // Makes the first event of the key its head, unless one runs or holds the key.
  void set_head(const std::string& key) {
    stored_row* first = nullptr;
    stored_row* head = nullptr;
    for (auto& [number, row] : rows_) {
      if (row.key() == key && !key.empty()) {
        head = row.is_head() ? &row : head;
        first = first == nullptr && (row.is_head() || row.event.state == event_state::blocked) ? &row : first;
      }
    }
    if (first == head || (head != nullptr && head->event.state != event_state::ready)) {
      return;
    }
    if (head != nullptr) {
      head->event.state = event_state::blocked;
    }
    first->event.state = event_state::ready;
  }

  void keep_failure(stored_row& row, attempt_number attempt, std::string text) {
    row.event.failures.push_back({attempt, clock_.now(), std::move(text)});
    ++row.failures;
    if (row.event.failures.size() > failures_kept_) {
      row.event.failures.erase(row.event.failures.begin());
    }
  }

  void expire() {
    for (auto& [number, row] : rows_) {
      if (row.event.state == event_state::leased && *row.event.leased_until <= clock_.now()) {
        end_lease(row, event_state::suspect);
        row.has_crashed = row.is_solo;
        if (row.is_solo) {
          keep_failure(row, row.event.attempts, "lease expired");
        } else {
          --row.event.attempts;
        }
      }
    }
  }

  void claim_into(turn_result& result, const claim_request& request) {
    const bool is_solo = request.kind == claim_kind::suspect;
    std::vector<row_map::value_type*> candidates;
    for (auto& each : rows_) {
      const stored_event& event = each.second.event;
      if (is_solo ? event.state == event_state::suspect
                  : event.state == event_state::ready && event.available_at <= clock_.now()) {
        candidates.push_back(&each);
      }
    }
    if (!is_solo) {
      std::stable_sort(candidates.begin(), candidates.end(), [](const auto* one, const auto* other) {
        return one->second.event.available_at < other->second.event.available_at;
      });
    }
    candidates.resize(std::min(candidates.size(), is_solo ? std::size_t{1} : request.limit));
    ++last_token_;
    for (row_map::value_type* const each : candidates) {
      stored_row& row = each->second;
      row.event.state = event_state::leased;
      row.event.token = last_token_;
      row.event.leased_until = saturating_add(clock_.now(), request.length);
      row.is_solo = is_solo;
      ++row.event.attempts;
      result.claimed.push_back({.held = {each->first, last_token_},
                                .record = row.event.record,
                                .attempt = row.event.attempts,
                                .solo = is_solo,
                                .crashed = row.has_crashed,
                                .failures = std::min(row.failures, failures_kept_)});
    }
  }

  void look_ahead(turn_result& result, const claim_request& request) const {
    for (const auto& [number, row] : rows_) {
      result.suspects_waiting = result.suspects_waiting || row.event.state == event_state::suspect;
      const std::optional<instant> due = row.event.state == event_state::ready    ? row.event.available_at
                                         : row.event.state == event_state::leased ? row.event.leased_until
                                                                                  : std::nullopt;
      if (due && result.claimed.size() < request.limit) {
        result.next_due = std::min(result.next_due.value_or(*due), *due);
      }
    }
  }

  settle_result settle_one(const settlement<transaction>& each) {
    stored_row* const row = held_row(each.held);
    if (row == nullptr) {
      return {settle_status::stale, {}};
    }
    if (each.write) {
      try {
        transaction writes;
        each.write(writes);
        written_.insert(written_.end(), writes.texts.begin(), writes.texts.end());
      } catch (...) {
        return {settle_status::write_failed, event_relay::detail::error_of_write()};
      }
    }
    apply(*row, each);
    count(each);
    return {};
  }

  void apply(stored_row& row, const settlement<transaction>& each) {
    row.event.attempts = each.attempt;
    row.has_crashed = false;
    if (each.failure && each.status != attempt_status::processed) {
      keep_failure(row, each.attempt, *each.failure);
    }
    switch (each.status) {
      case attempt_status::processed: rows_.erase(each.held.row); break;
      case attempt_status::retry_scheduled:
        end_lease(row, event_state::ready);
        row.event.available_at = saturating_add(clock_.now(), each.delay);
        break;
      case attempt_status::dead_letter:
        end_lease(row, event_state::dead_letter);
        row.event.reason = each.reason;
        row.event.dead_since = clock_.now();
        row.event.holds_key = each.key == key_after_dead_letter::held && !row.key().empty();
        break;
    }
    set_head(each.ordering_key);
    for (const event_record& follow_up : each.follow_ups) {
      insert(follow_up);
    }
    if (!each.follow_ups.empty()) {
      signal_->wake();
    }
  }

  manual_clock clock_;
  std::uint32_t failures_kept_;
  mutable std::mutex mutex_;
  row_map rows_;
  std::map<std::string, outcome_counts> outcomes_;
  std::vector<std::string> written_;
  std::int64_t last_row_ = 0;
  std::uint64_t last_token_ = 0;
  std::shared_ptr<wake_signal> signal_ = std::make_shared<wake_signal>();
};

static_assert(event_store<memory_store>);

}  // namespace event_relay::testing
