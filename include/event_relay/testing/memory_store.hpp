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
#include "event_relay/testing/memory_rows.hpp"

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

  explicit memory_store(manual_clock clock = manual_clock{}, memory_store_options options = {})
      : clock_{std::move(clock)}, rows_{options} {}

  std::vector<append_status> append(host_transaction& host, std::span<const event_record> records) {
    const std::lock_guard lock{mutex_};
    std::vector<append_status> answers;
    for (const event_record& record : records) {
      const auto has_its_id = [&](const event_record& other) { return other.id == record.id; };
      const bool is_there =
          rows_.find(record.id) != rows_.end() || std::any_of(host.appended_.begin(), host.appended_.end(), has_its_id);
      if (!is_there) {
        host.appended_.push_back(record);
        host.appended_.back().available_at = record.available_at.value_or(clock_.now());
      }
      answers.push_back(is_there ? append_status::duplicate : append_status::appended);
    }
    return answers;
  }

  exchange_result exchange(std::span<const settlement<transaction>> settlements, const claim_request& request) {
    const std::lock_guard lock{mutex_};
    exchange_result result;
    for (const auto& each : settlements) {
      result.settled.push_back(settle_one(each));
    }
    if (request.limit > 0) {
      rows_.expire(clock_.now());
      rows_.claim(result, request, clock_.now());
      rows_.scan(result, request);
    }
    if (leaves_work(settlements, result, request)) {
      signal_->wake();
    }
    return result;
  }

  std::vector<bool> renew(std::span<const lease> leases, std::chrono::milliseconds length) {
    const std::lock_guard lock{mutex_};
    std::vector<bool> renewed;
    for (const lease& each : leases) {
      memory_rows::row* const held = rows_.held(each);
      if (held != nullptr) {
        held->event.leased_until = saturating_add(clock_.now(), length);
      }
      renewed.push_back(held != nullptr);
    }
    return renewed;
  }

  std::size_t release(std::span<const lease> leases) {
    std::size_t released = 0;
    {
      const std::lock_guard lock{mutex_};
      for (const lease& each : leases) {
        if (memory_rows::row* const held = rows_.held(each); held != nullptr) {
          rows_.release(*held);
          ++released;
        }
      }
    }
    signal_->wake();
    return released;
  }

  std::optional<stored_event> find(std::string_view id) {
    const std::lock_guard lock{mutex_};
    const auto found = rows_.find(id);
    return found == rows_.end() ? std::nullopt : std::optional{found->second.event};
  }

  bool maintain(std::size_t limit) {
    const std::lock_guard lock{mutex_};
    std::set<std::string> keys;
    for (const auto& [number, row] : rows_.all()) {
      keys.insert(row.key());
    }
    for (const std::string& key : keys) {
      rows_.set_head(key);
    }
    return rows_.delete_kept(clock_.now(), limit);
  }

  bool has_unfinished() {
    const std::lock_guard lock{mutex_};
    return std::any_of(rows_.all().begin(), rows_.all().end(), [](const auto& each) {
      const event_state state = each.second.event.state;
      return state == event_state::ready || state == event_state::leased || state == event_state::orphan;
    });
  }

  dead_letter_page dead_letters(const dead_letter_filter& filter, const std::optional<dead_letter_cursor>& after,
                                std::size_t limit) {
    const std::lock_guard lock{mutex_};
    std::map<dead_letter_cursor, const stored_event*> found;
    for (const auto& [number, row] : rows_.all()) {
      if (row.event.state == event_state::dead_letter && matches(filter, row.event)) {
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
        redriven.push_back(with_dead(each, [&](auto at) { rows_.redrive(at->second, each.available_at); }));
      }
    }
    signal_->wake();
    return redriven;
  }

  std::size_t purge(std::span<const std::string> ids) { return purge(event_relay::detail::purge_requests(ids)); }
  std::size_t purge(std::span<const purge_request> requests) {
    std::size_t purged = 0;
    {
      const std::lock_guard lock{mutex_};
      for (const purge_request& each : requests) {
        purged += with_dead(each, [&](auto at) { rows_.erase(at); }) ? 1 : 0;
      }
    }
    signal_->wake();
    return purged;
  }

  queue_metrics metrics() {
    const std::lock_guard lock{mutex_};
    queue_metrics metrics{.at = clock_.now()};
    for (const auto& [number, row] : rows_.all()) {
      switch (row.event.state) {
        case event_state::ready:
          if (row.event.available_at > metrics.at) {
            ++metrics.scheduled;
          } else {
            ++metrics.ready;
            metrics.oldest_lag = (std::max)(metrics.oldest_lag.value_or(std::chrono::milliseconds{0}),
                                            metrics.at - (std::max)(row.event.available_at, min_instant));
          }
          break;
        case event_state::leased: ++metrics.leased; break;
        case event_state::orphan: ++metrics.orphans; break;
        case event_state::blocked: ++metrics.blocked; break;
        case event_state::dead_letter:
          ++metrics.dead_letters;
          metrics.held_keys += row.event.holds_key ? 1 : 0;
          break;
        case event_state::processed: break;
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
  void commit(std::vector<event_record> appended) {
    {
      const std::lock_guard lock{mutex_};
      for (event_record& each : appended) {
        rows_.insert(std::move(each), clock_.now());
      }
    }
    signal_->wake();
  }

  // False if there is no such dead letter.
  template <class Request, class Do>
  bool with_dead(const Request& request, Do action) {
    const auto found = rows_.find(request.id);
    const bool is_dead = found != rows_.end() && found->second.event.state == event_state::dead_letter &&
                         (!request.dead_since || found->second.event.dead_since == request.dead_since);
    if (is_dead) {
      action(found);
    }
    return is_dead;
  }

  settle_result settle_one(const settlement<transaction>& each) {
    memory_rows::row* const row = rows_.held(each.held);
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
    rows_.settle(*row, each, clock_.now());
    count(each);
    return {};
  }

  void count(const settlement<transaction>& each) {
    outcome_counts& counts = outcomes_[each.name];
    counts.name = each.name;
    ++counts.attempts;
    counts.processed += each.status == attempt_status::processed ? 1 : 0;
    counts.retried += each.status == attempt_status::retry_scheduled ? 1 : 0;
    counts.dead_lettered += each.status == attempt_status::dead_letter ? 1 : 0;
  }

  manual_clock clock_;
  mutable std::mutex mutex_;
  memory_rows rows_;
  std::map<std::string, outcome_counts> outcomes_;
  std::vector<std::string> written_;
  std::shared_ptr<wake_signal> signal_ = std::make_shared<wake_signal>();
};

static_assert(event_store<memory_store>);

}  // namespace event_relay::testing
