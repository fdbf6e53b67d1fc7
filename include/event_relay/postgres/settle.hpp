// SPDX-License-Identifier: MIT
// The rules of settling: the outcomes of a whole batch are stored under their leases' tokens, with their failures and
// follow-ups, in one statement for each kind of outcome. The caller has opened the transaction.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "event_relay/core/detail/short_text.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/postgres/driver/connection.hpp"
#include "event_relay/postgres/driver/parameters.hpp"
#include "event_relay/postgres/driver/server_clock.hpp"
#include "event_relay/postgres/key_order.hpp"
#include "event_relay/postgres/record_columns.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/statements.hpp"

namespace event_relay::postgres::detail {

/// When settlements happen, and what is kept of them.
struct settle_rules {
  clock_override time;
  std::int64_t failures_kept;
  std::chrono::milliseconds keep_processed;
};

/// A text as the server keeps it: what is not valid UTF-8, or is NUL, becomes U+FFFD.
inline std::string storable(std::string_view text) {
  constexpr std::string_view replacement = "\xef\xbf\xbd";
  std::string kept;
  for (const char each : event_relay::detail::shortened(text, text.size() * 3 + 3)) {
    each == '\0' ? kept.append(replacement) : kept.append(1, each);
  }
  return kept;
}

/// The settlements of a batch, in the order of their rows: transactions that lock their rows in one order cannot
/// deadlock.
class settle_batch {
  using settlements = std::span<const settlement<connection>* const>;

 public:
  explicit settle_batch(settlements all) : all_{all} {
    places_.resize(all.size());
    std::iota(places_.begin(), places_.end(), std::size_t{0});
    const auto lease_of = [&](std::size_t place) { return std::tie(all_[place]->held.row, all_[place]->held.token); };
    std::stable_sort(places_.begin(), places_.end(),
                     [&](std::size_t one, std::size_t other) { return lease_of(one) < lease_of(other); });
    // A lease that is settled twice is stale the second time.
    places_.erase(std::unique(places_.begin(), places_.end(),
                              [&](std::size_t one, std::size_t other) { return lease_of(one) == lease_of(other); }),
                  places_.end());
  }

  /// One answer for each: true if it was stored, false if its lease is not the event's current one.
  std::vector<bool> apply(session& on, const settle_rules& rules) {
    applied_.assign(all_.size(), false);
    end_processed(on, rules);
    end_failed(on, rules);
    free_keys(on, freed_keys_);  // by a statement of its own: see key_order.hpp
    append_follow_ups(on, rules);
    return applied_;
  }

 private:
  // The leases that a statement is to end, each with its place among all.
  struct ended_leases {
    array places = array::of_integers();
    array rows = array::of_integers();
    array tokens = array::of_integers();
    array attempts = array::of_integers();

    void add(std::size_t place, const settlement<connection>& each) {
      places.add(static_cast<std::int64_t>(place));
      rows.add(each.held.row);
      tokens.add(static_cast<std::int64_t>(each.held.token));
      attempts.add(static_cast<std::int64_t>(each.attempt));
    }
  };

  std::size_t note(const row& at) {
    const auto place = static_cast<std::size_t>(at.integer("place"));
    applied_[place] = true;
    if (!all_[place]->ordering_key.empty()) {
      freed_keys_.insert(all_[place]->ordering_key);
    }
    return place;
  }

  void end_processed(session& on, const settle_rules& rules) {
    ended_leases columns;
    bool has_follow_ups = false;
    for (const std::size_t place : places_) {
      if (all_[place]->status == attempt_status::processed) {
        columns.add(place, *all_[place]);
        has_follow_ups = has_follow_ups || !all_[place]->follow_ups.empty();
      }
    }
    if (columns.rows.size() == 0) {
      return;
    }
    if (rules.keep_processed.count() > 0) {
      on.query(
          statements::keep_processed, [&](const row& at) { note(at); }, rules.time, columns.places, columns.rows,
          columns.tokens, columns.attempts, addable(rules.keep_processed));
      return;
    }
    array with_history = array::of_integers();
    const auto take = [&](const row& at) {
      const std::size_t place = note(at);
      // A store that keeps no failures says of none that they are there, although another one may have kept some.
      if (all_[place]->has_history || rules.failures_kept == 0) {
        with_history.add(all_[place]->held.row);
      }
      if (has_follow_ups) {
        ended_ids_.emplace(at.text("id"), place);
      }
    };
    on.query(statements::delete_processed, take, columns.places, columns.rows, columns.tokens, has_follow_ups);
    if (with_history.size() > 0) {
      on.execute(statements::delete_failures, with_history);
    }
  }

  // Retries and dead letters.
  void end_failed(session& on, const settle_rules& rules) {
    ended_leases columns;
    array delays = array::of_integers();  // absent for dead letters
    array reasons = array::of_texts();
    array holds = array::of_integers();
    array texts = array::of_texts();
    for (const std::size_t place : places_) {
      const settlement<connection>& each = *all_[place];
      if (each.status == attempt_status::processed) {
        continue;
      }
      const bool is_dead = each.status == attempt_status::dead_letter;
      columns.add(place, each);
      delays.add(is_dead ? std::nullopt : std::optional{addable(each.delay)});
      reasons.add(is_dead ? std::optional{wire_name(each.reason)} : std::nullopt);
      holds.add(std::int64_t{is_dead && each.key == key_after_dead_letter::held});
      if (each.failure) {
        texts.add(std::string_view{storable(*each.failure)});
      } else {
        texts.add_null();
      }
    }
    if (columns.rows.size() == 0) {
      return;
    }
    on.query(
        statements::settle_failed, [&](const row& at) { note(at); }, rules.time, columns.places, columns.rows,
        columns.tokens, columns.attempts, delays, reasons, holds, texts, rules.failures_kept);
  }

  // Of two settlements the first may have a follow-up whose id is the second one's event. It is left out, as it would
  // be if the settlements were stored one after the other.
  void append_follow_ups(session& on, const settle_rules& rules) {
    record_columns columns;
    for (std::size_t at = 0; at < all_.size(); ++at) {
      if (!applied_[at]) {
        continue;
      }
      for (const event_record& each : all_[at]->follow_ups) {
        const auto ended = ended_ids_.find(each.id);
        if (ended == ended_ids_.end() || ended->second <= at) {
          columns.add(each);
        }
      }
    }
    if (columns.ids.size() > 0) {
      columns.give_to([&](const auto&... all) {
        on.execute(columns.is_plain ? statements::insert_plain_events : statements::insert_events, rules.time, all...);
      });
    }
  }

  settlements all_;
  std::vector<std::size_t> places_;
  std::vector<bool> applied_;
  std::unordered_map<std::string, std::size_t> ended_ids_;
  std::set<std::string> freed_keys_;
};

}  // namespace event_relay::postgres::detail
