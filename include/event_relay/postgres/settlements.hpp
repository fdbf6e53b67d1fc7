// SPDX-License-Identifier: MIT
// The rules of settling, as statements: the ends of a whole batch are stored under their leases' tokens, with their
// histories and follow-ups, in as many statements as there are kinds of ends. The caller has opened the transaction.
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
#include "event_relay/postgres/claims.hpp"
#include "event_relay/postgres/driver/connection.hpp"
#include "event_relay/postgres/event_rows.hpp"
#include "event_relay/postgres/ordering.hpp"
#include "event_relay/postgres/session.hpp"

namespace event_relay::postgres::detail {

// When settlements happen, and what is kept of them.
struct settle_rules {
  clock_override time;
  std::int64_t failures_kept;
  std::chrono::milliseconds keep_processed;
};

// A text as the server keeps it: valid UTF-8, and what is not, or is NUL, becomes U+FFFD.
inline std::string storable(std::string_view text) {
  constexpr std::string_view replacement = "\xef\xbf\xbd";
  std::string kept;
  for (const char each : event_relay::detail::shortened(text, text.size() * 3 + 3)) {
    each == '\0' ? kept.append(replacement) : kept.append(1, each);
  }
  return kept;
}

/// The settlements of a batch, in the order of their rows: who locks many rows locks them in that order.
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
    open_freed_keys(on);
    append_follow_ups(on, rules);
    return applied_;
  }

 private:
  // The leases that a statement is to end, each with its place among all.
  struct lease_columns {
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
    const auto place = static_cast<std::size_t>(at.integer(0));
    applied_[place] = true;
    if (!all_[place]->ordering_key.empty()) {
      freed_keys_.insert(all_[place]->ordering_key);
    }
    return place;
  }

  void end_processed(session& on, const settle_rules& rules) {
    lease_columns columns;
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
          "UPDATE {events} e SET state = 5, kept_until = " EVENT_RELAY_PG_HELD(
              "(SELECT " EVENT_RELAY_PG_TIME ") + $6") ", attempt = s.attempt, leased_until = NULL FROM "
          "unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) s(place, row, token, attempt) "
          "WHERE e.row = s.row AND e.token = s.token AND e.state = 1 RETURNING s.place",
          [&](const row& at) { note(at); }, rules.time, columns.places, columns.rows, columns.tokens, columns.attempts,
          addable(rules.keep_processed));
      return;
    }
    array with_history = array::of_integers();
    const auto take = [&](const row& at) {
      const std::size_t place = note(at);
      // Who keeps no failures is told of none, and another store may have kept some.
      if (all_[place]->has_history || rules.failures_kept == 0) {
        with_history.add(all_[place]->held.row);
      }
      if (has_follow_ups) {
        ended_ids_.emplace(at.text(1), place);
      }
    };
    on.query(
        "DELETE FROM {events} e USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) s(place, row, token) "
        "WHERE e.row = s.row AND e.token = s.token AND e.state = 1 "
        "RETURNING s.place, CASE WHEN $4::boolean THEN e.id END",
        take, columns.places, columns.rows, columns.tokens, has_follow_ups);
    if (with_history.size() > 0) {
      on.execute("DELETE FROM {failures} WHERE event = ANY ($1::bigint[])", with_history);
    }
  }

  // Retries and dead letters, and of each the last failures.
  void end_failed(session& on, const settle_rules& rules) {
    lease_columns columns;
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
        "WITH c AS MATERIALIZED (SELECT " EVENT_RELAY_PG_TIME
        " AS now), changed AS (UPDATE {events} e SET state = CASE WHEN s.delay IS NULL THEN 3 ELSE 0 END, "
        "attempt = s.attempt, leased_until = NULL, crashed = false, failures = e.failures + (s.text IS NOT NULL)::int, "
        "available_at = CASE WHEN s.delay IS NULL THEN e.available_at ELSE " EVENT_RELAY_PG_HELD(
            "(SELECT now FROM c) + s.delay") " END, dead_since = CASE WHEN s.delay IS NULL THEN "
        "(SELECT now FROM c) END, reason = s.reason, holds_key = s.holds <> 0 AND e.ordering_key IS NOT NULL "
        "FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[], "
        "$9::text[]) s(place, row, token, attempt, delay, reason, holds, text) WHERE e.row = s.row AND "
        "e.token = s.token AND e.state = 1 RETURNING s.place, e.row, e.failures, s.attempt, s.text), "
        "noted AS (INSERT INTO {failures} SELECT row, failures, attempt, (SELECT now FROM c), text FROM changed "
        "WHERE text IS NOT NULL AND $10::bigint > 0), trimmed AS (DELETE FROM {failures} f USING changed "
        "WHERE f.event = changed.row AND f.number <= changed.failures - $10) SELECT place FROM changed",
        [&](const row& at) { note(at); }, rules.time, columns.places, columns.rows, columns.tokens, columns.attempts,
        delays, reasons, holds, texts, rules.failures_kept);
  }

  // By a statement of its own: see ordering.hpp.
  void open_freed_keys(session& on) { open_keys(on, freed_keys_); }

  // Those of an event whose id is taken by an event that this batch ends later on stay away, as they would if the
  // settlements were stored one after the other.
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
        on.execute(columns.is_plain ? insert_plain_events : insert_events, rules.time, all...);
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
