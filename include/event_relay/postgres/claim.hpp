// SPDX-License-Identifier: MIT
// The rules of claiming: what may be attempted now, by whom, and what becomes of events whose worker vanished. Rows
// that another claim has locked are passed over, never waited for. Each function runs in the transaction that its
// caller has opened.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/postgres/claim_cursor.hpp"
#include "event_relay/postgres/driver/parameters.hpp"
#include "event_relay/postgres/driver/server_clock.hpp"
#include "event_relay/postgres/key_order.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/statements.hpp"
#include "event_relay/sql/rows.hpp"

namespace event_relay::postgres::detail {

/// Makes orphans of the events whose leases have expired. An attempt that ran beside others is forgotten; an isolated
/// one counts as failed. Returns whether there are orphans now.
inline bool expire_leases(session& on, const clock_override& time, std::int64_t from, std::int64_t failures_kept) {
  return on.integer(statements::expire_leases, 0, time, from, failures_kept) != 0;
}

/// What one statement has leased.
struct leased_part {
  instant now;
  std::vector<claimed_event> claims;
  /// The instant at which each became ready, in milliseconds.
  std::vector<std::int64_t> due;
  /// The keys of events that have to wait for others.
  std::set<std::string> keys_behind;
};

template <class... Parameters>
leased_part lease_due(session& on, const sql::statement& claim, bool is_isolated, std::int64_t failures_kept,
                      const Parameters&... parameters) {
  leased_part part{};
  on.query(
      claim,
      [&](const row& at) {
        part.now = sql::instant_of(at, "now");
        if (!at.is_null("row")) {
          part.due.push_back(at.integer("available_at"));
          part.claims.push_back(sql::claimed_event_of(at, is_isolated, failures_kept));
        } else if (!at.is_null("ordering_key")) {
          part.keys_behind.emplace(at.text("ordering_key"));
        }
      },
      parameters...);
  return part;
}

/// What is left of the limits of `request` when `claimed` have taken their part.
struct limits_left {
  array names = array::of_texts();
  array most = array::of_integers();

  limits_left(const claim_request& request, std::span<const claimed_event> claimed) {
    for (const claim_limit& each : request.limits_by_name) {
      const auto taken = std::count_if(claimed.begin(), claimed.end(),
                                       [&](const claimed_event& claim) { return claim.record.name == each.name; });
      names.add(std::string_view{each.name});
      most.add(std::max<std::int64_t>(sql::row_limit(each.most) - taken, 0));
    }
  }
};

/// A claim that finds events behind others of their keys blocks them and scans again, so many times at most.
inline constexpr int most_scans = 8;

/// In the order in which the events became ready, and in the order of their rows where that is the same.
inline std::vector<claimed_event> in_order(leased_part part) {
  std::vector<std::size_t> order(part.claims.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t one, std::size_t other) {
    return std::tie(part.due[one], part.claims[one].held.row) < std::tie(part.due[other], part.claims[other].held.row);
  });
  std::vector<claimed_event> sorted;
  sorted.reserve(order.size());
  for (const std::size_t at : order) {
    sorted.push_back(std::move(part.claims[at]));
  }
  return sorted;
}

/// Leases what `request` asks for, under tokens that no claim had before. `ready` is the session's own cursor.
template <class Clock>
std::vector<claimed_event> claim(session& on, const claim_request& request, Clock& clock, claim_cursor& ready,
                                 std::int64_t failures_kept) {
  const clock_override time = clock_override_of(clock);
  const std::int64_t length = addable(request.length);
  if (request.kind == claim_kind::orphan) {
    return in_order(lease_due(on, statements::claim_orphan, true, failures_kept, time, length));
  }
  leased_part all;
  const bool has_limits = !request.limits_by_name.empty();
  const std::int64_t from = has_limits ? claim_cursor::from_the_start : ready.begin(clock.now());
  for (int scan = 0; scan < most_scans; ++scan) {
    const std::int64_t more = sql::row_limit(request.limit - all.claims.size());
    leased_part part;
    if (has_limits) {
      const limits_left left{request, all.claims};
      part = lease_due(on, statements::claim_within_limits, false, failures_kept, time, length, left.names, left.most,
                       more);
    } else {
      part = lease_due(on, statements::claim_ready, false, failures_kept, time, length, from, more);
    }
    all.now = part.now;
    std::move(part.claims.begin(), part.claims.end(), std::back_inserter(all.claims));
    all.due.insert(all.due.end(), part.due.begin(), part.due.end());
    if (part.keys_behind.empty()) {
      break;
    }
    const bool has_blocked = block_behind(on, part.keys_behind) > 0;
    free_keys(on, part.keys_behind);
    if (!has_blocked || all.claims.size() == request.limit) {
      break;
    }
  }
  if (!has_limits) {
    const std::int64_t first =
        all.due.empty() ? sql::integer_of(all.now) : *std::min_element(all.due.begin(), all.due.end());
    ready.end(first, all.claims.size(), clock.now());
  }
  sync(clock, all.now);
  return in_order(std::move(all));
}

/// What comes due after a claim.
struct next_due {
  std::optional<instant> ready;
  std::optional<instant> lease_end;
  bool has_orphans = false;
};

/// Finds out when the next event becomes ready and the next lease ends, and whether orphans wait. It only reads. The
/// scans begin at `ready_from` and `leased_from`.
inline next_due scan_next_due(session& on, std::span<const claimed_event> claimed, const claim_request& request,
                              std::int64_t ready_from, std::int64_t leased_from) {
  next_due found;
  const bool has_limits = !request.limits_by_name.empty();
  on.query(
      statements::scan_next_due,
      [&](const row& at) {
        found = {sql::optional_instant(at, "ready_at"), sql::optional_instant(at, "lease_end"),
                 at.integer("has_orphans") != 0};
      },
      ready_from, leased_from, !has_limits);
  if (has_limits) {
    const limits_left left{request, claimed};
    on.query(
        statements::scan_next_due_within_limits,
        [&](const row& at) { found.ready = sql::optional_instant(at, "ready_at"); }, left.names, left.most);
  }
  return found;
}

}  // namespace event_relay::postgres::detail
