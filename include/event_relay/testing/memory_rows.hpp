// SPDX-License-Identifier: MIT
// What a store in memory holds, and the rules of claiming and settling over it. It locks nothing, wakes nobody
// and reads no clock: the store around it does.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event_relay/core/decision.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"

namespace event_relay::testing {

/// How a memory store keeps what has ended.
struct memory_store_options {
  /// Failures that are kept of each event, the last ones.
  std::uint32_t failures_kept = 10;
  /// How long a processed event is kept; 0: not at all.
  std::chrono::milliseconds keep_processed{0};
};

/// Used by one thread at a time.
class memory_rows {
 public:
  struct row {
    stored_event event;
    bool is_isolated = false;
    bool has_crashed = false;
    std::uint32_t failures = 0;

    const std::string& key() const { return event.record.ordering_key; }
    // Whether the later events of its key wait for it.
    bool is_head() const {
      switch (event.state) {
        case event_state::blocked:
        case event_state::processed: return false;
        case event_state::dead_letter: return event.holds_key;
        default: return !key().empty();
      }
    }
  };
  using row_map = std::map<std::int64_t, row>;

  explicit memory_rows(memory_store_options options) : options_{options} {}

  const row_map& all() const { return rows_; }
  row_map::iterator end() { return rows_.end(); }

  row_map::iterator find(std::string_view id) {
    return std::find_if(rows_.begin(), rows_.end(),
                        [&](const auto& each) { return each.second.event.record.id == id; });
  }

  row* held(const lease& held) {
    const auto found = rows_.find(held.row);
    const bool is_held = found != rows_.end() && found->second.event.state == event_state::leased &&
                         found->second.event.token == held.token;
    return is_held ? &found->second : nullptr;
  }

  void insert(event_record record, instant now) {
    if (find(record.id) != rows_.end()) {
      return;
    }
    const instant available_at = record.available_at.value_or(now);
    record.available_at.reset();
    const std::string key = record.ordering_key;
    rows_[++last_row_].event = {.record = std::move(record),
                                .state = key.empty() ? event_state::ready : event_state::blocked,
                                .available_at = available_at};
    set_head(key);
  }

  void erase(row_map::iterator at) {
    const std::string key = at->second.key();
    rows_.erase(at);
    set_head(key);
  }

  // Makes the first event of the key its head, unless one runs or holds the key.
  void set_head(const std::string& key) {
    row* first = nullptr;
    row* head = nullptr;
    for (auto& [number, each] : rows_) {
      if (each.key() == key && !key.empty()) {
        head = each.is_head() ? &each : head;
        first = first == nullptr && (each.is_head() || each.event.state == event_state::blocked) ? &each : first;
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

  static void end_lease(row& of, event_state state) {
    of.event.state = state;
    of.event.leased_until.reset();
  }

  void release(row& of) {
    end_lease(of, of.is_isolated ? event_state::orphan : event_state::ready);
    --of.event.attempts;
    set_head(of.key());
  }

  void expire(instant now) {
    for (auto& [number, each] : rows_) {
      if (each.event.state == event_state::leased && *each.event.leased_until <= now) {
        end_lease(each, event_state::orphan);
        each.has_crashed = each.is_isolated;
        if (each.is_isolated) {
          keep_failure(each, {each.event.attempts, now, "lease expired"});
        } else {
          --each.event.attempts;
        }
      }
    }
  }

  void claim(exchange_result& result, const claim_request& request, instant now) {
    const bool is_isolated = request.kind == claim_kind::orphan;
    std::vector<row_map::value_type*> candidates;
    for (auto& each : rows_) {
      const stored_event& event = each.second.event;
      if (is_isolated ? event.state == event_state::orphan
                      : event.state == event_state::ready && event.available_at <= now) {
        candidates.push_back(&each);
      }
    }
    if (is_isolated) {
      candidates.resize((std::min)(candidates.size(), std::size_t{1}));
    } else {
      std::stable_sort(candidates.begin(), candidates.end(), [](const auto* one, const auto* other) {
        return one->second.event.available_at < other->second.event.available_at;
      });
    }
    ++last_token_;
    std::map<std::string, std::size_t> of_name;
    for (row_map::value_type* const each : candidates) {
      row& at = each->second;
      if (result.claimed.size() == request.limit) {
        return;
      }
      if (!is_isolated && ++of_name[at.event.record.name] > request.most_of(at.event.record.name)) {
        continue;
      }
      at.event.state = event_state::leased;
      at.event.token = last_token_;
      at.event.leased_until = saturating_add(now, request.length);
      at.is_isolated = is_isolated;
      ++at.event.attempts;
      result.claimed.push_back({.held = {each->first, last_token_},
                                .record = at.event.record,
                                .attempt = at.event.attempts,
                                .isolated = is_isolated,
                                .crashed = at.has_crashed,
                                .failures = (std::min)(at.failures, options_.failures_kept)});
    }
  }

  void scan(exchange_result& result, const claim_request& request) const {
    const auto is_used_up = [&](const std::string& name) {
      const auto claimed = std::count_if(result.claimed.begin(), result.claimed.end(),
                                         [&](const claimed_event& each) { return each.record.name == name; });
      return static_cast<std::size_t>(claimed) >= request.most_of(name);
    };
    for (const auto& [number, each] : rows_) {
      const bool is_ready = each.event.state == event_state::ready && !is_used_up(each.event.record.name);
      result.orphans_waiting = result.orphans_waiting || each.event.state == event_state::orphan;
      const std::optional<instant> due = is_ready                                  ? each.event.available_at
                                         : each.event.state == event_state::leased ? each.event.leased_until
                                                                                   : std::nullopt;
      if (due && result.claimed.size() < request.limit) {
        result.next_due = (std::min)(result.next_due.value_or(*due), *due);
      }
    }
  }

  template <class Transaction>
  void settle(row& of, const settlement<Transaction>& end, instant now) {
    of.event.attempts = end.attempt;
    of.has_crashed = false;
    if (end.failure && end.status != attempt_status::processed) {
      keep_failure(of, {end.attempt, now, *end.failure});
    }
    switch (end.status) {
      case attempt_status::processed:
        if (options_.keep_processed.count() == 0) {
          rows_.erase(end.held.row);
        } else {
          end_lease(of, event_state::processed);
          of.event.kept_until = saturating_add(now, options_.keep_processed);
        }
        break;
      case attempt_status::retry_scheduled:
        end_lease(of, event_state::ready);
        of.event.available_at = saturating_add(now, end.delay);
        break;
      case attempt_status::dead_letter:
        end_lease(of, event_state::dead_letter);
        of.event.reason = end.reason;
        of.event.dead_since = now;
        of.event.holds_key = end.key == key_after_dead_letter::held && !of.key().empty();
        break;
    }
    set_head(end.ordering_key);
    for (const event_record& follow_up : end.follow_ups) {
      insert(follow_up, now);
    }
  }

  void redrive(row& of, instant available_at) {
    of.event.state = of.key().empty() ? event_state::ready : event_state::blocked;
    of.event.holds_key = false;
    of.event.attempts = 0;
    of.event.available_at = available_at;
    of.event.reason.reset();
    of.event.dead_since.reset();
    set_head(of.key());
  }

  // True if `limit` were deleted.
  bool delete_kept(instant now, const std::size_t most) {
    std::size_t limit = most;
    for (auto at = rows_.begin(); at != rows_.end() && limit > 0;) {
      const bool is_over = at->second.event.kept_until && *at->second.event.kept_until <= now;
      limit -= is_over ? 1 : 0;
      at = is_over ? rows_.erase(at) : std::next(at);
    }
    return most > 0 && limit == 0;
  }

 private:
  void keep_failure(row& of, failure_record failure) const {
    of.event.failures.push_back(std::move(failure));
    ++of.failures;
    if (of.event.failures.size() > options_.failures_kept) {
      of.event.failures.erase(of.event.failures.begin());
    }
  }

  memory_store_options options_;
  row_map rows_;
  std::int64_t last_row_ = 0;
  std::uint64_t last_token_ = 0;
};

}  // namespace event_relay::testing
