// SPDX-License-Identifier: MIT
// An exchange: settle what was attempted and claim what comes next, in one transaction. What can go wrong meanwhile is
// handled here: a handler's write that fails, two claims that met at one key, a connection that broke.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/claim.hpp"
#include "event_relay/postgres/driver/connection.hpp"
#include "event_relay/postgres/driver/error.hpp"
#include "event_relay/postgres/driver/transaction.hpp"
#include "event_relay/postgres/in_doubt_commits.hpp"
#include "event_relay/postgres/metrics.hpp"
#include "event_relay/postgres/pooled_session.hpp"
#include "event_relay/postgres/settle.hpp"
#include "event_relay/postgres/store_options.hpp"

namespace event_relay::postgres::detail {

/// Whether the same transaction, begun anew, will find another state: it met another one at a lock or at a key.
inline bool has_met_another(const error& failed) {
  return failed.sqlstate() == "40P01" || failed.sqlstate() == "40001" ||
         (failed.sqlstate() == "23505" && std::string_view{failed.what()}.find("taken\"") != std::string_view::npos);
}

/// Of two transactions that meet, one has committed by the next try. So many tries are for a crowd.
inline constexpr int most_tries = 10;

/// Runs `body`, and again where it has met another.
template <class Body>
auto with_tries(Body body) {
  for (int tried = 1;; ++tried) {
    try {
      return body();
    } catch (const error& failed) {
      if (!has_met_another(failed)) {
        throw;
      }
      if (tried == most_tries) {
        throw store_error{store_errc::busy, failed.what()};
      }
    }
  }
}

/// One exchange of a store. Used once.
template <class Clock>
class exchange_step {
  using settlement_type = settlement<connection>;
  using settlements = std::span<const settlement_type>;

 public:
  exchange_step(pooled_session& lent, const store_options& options, Clock& clock, in_doubt_commits& in_doubt)
      : lent_{lent}, on_{lent.on}, options_{options}, clock_{clock}, in_doubt_{in_doubt} {}

  exchange_result take(settlements all, const claim_request& request) {
    exchange_result result;
    result.settled.resize(all.size());
    std::vector<const settlement_type*> open;
    for (const settlement_type& each : all) {
      if (!in_doubt_.take(each.held)) {
        open.push_back(&each);
      }
    }
    const auto answer = [&](const settlement_type* to) -> settle_result& {
      return result.settled[static_cast<std::size_t>(to - all.data())];
    };
    if (const auto failed = try_together(open, request, result, answer)) {
      // Which writes fail is found out one event at a time. A savepoint for each would do as well, but hundreds of
      // subtransactions in one transaction slow the whole server down.
      settle_writes_alone(open, answer);
      std::erase_if(open, [](const settlement_type* each) { return each->write != nullptr; });
      if (try_together(open, request, result, answer)) {
        throw store_error{store_errc::rejected, "postgres: a settlement without a write failed as one"};
      }
    }
    for (const settlement_type& each : all) {
      in_doubt_.reported(each.held);
    }
    return result;
  }

 private:
  using open_settlements = std::span<const settlement_type* const>;

  struct write_failure {
    std::string text;
  };

  // All in one transaction. Returns what a handler's write threw, if one did; then nothing has been changed.
  template <class Answer>
  std::optional<write_failure> try_together(open_settlements open, const claim_request& request,
                                            exchange_result& result, const Answer& answer) {
    return with_tries([&]() -> std::optional<write_failure> {
      result.claimed.clear();
      transaction all{on_.database()};
      std::vector<const settlement_type*> applied;
      if (!open.empty()) {
        applied = apply(open, answer);
        for (const settlement_type* const each : applied) {
          if (auto failed = run_write(*each)) {
            return failed;
          }
        }
      }
      if (request.limit > 0) {
        claim_next(result, request);
      }
      commit(all, applied, result.claimed);
      return std::nullopt;
    });
  }

  template <class Answer>
  void settle_writes_alone(open_settlements open, const Answer& answer) {
    for (const settlement_type* const each : open) {
      if (each->write == nullptr) {
        continue;
      }
      with_tries([&] {
        transaction alone{on_.database()};
        const auto applied = apply({&each, 1}, answer);
        if (!applied.empty()) {
          if (auto failed = run_write(*each)) {
            answer(each) = {settle_status::write_failed, std::move(failed->text)};
            return;
          }
          commit(alone, applied, {});
          in_doubt_.stored(each->held);
        }
      });
    }
  }

  // Returns the settlements that were applied, and answers the others as stale.
  template <class Answer>
  std::vector<const settlement_type*> apply(open_settlements open, const Answer& answer) {
    settle_batch batch{open};
    const std::vector<bool> is_applied =
        batch.apply(on_, {clock_override_of(clock_), std::int64_t{options_.failures_kept}, options_.keep_processed});
    std::vector<const settlement_type*> applied;
    for (std::size_t at = 0; at < open.size(); ++at) {
      answer(open[at]) = {is_applied[at] ? settle_status::applied : settle_status::stale, {}};
      if (is_applied[at]) {
        applied.push_back(open[at]);
      }
    }
    return applied;
  }

  // Returns what the write threw, if anything. Throws a fault of the server or of the network, for which no attempt may
  // fail.
  std::optional<write_failure> run_write(const settlement_type& each) {
    if (each.write == nullptr) {
      return std::nullopt;
    }
    connection& database = on_.database();
    try {
      each.write(database);
    } catch (const error& failed) {
      if (!database.is_usable() || is_retryable(failed.code())) {
        throw;
      }
      return write_failure{failed.what()};
    } catch (...) {
      return write_failure{event_relay::detail::error_of_write()};
    }
    if (!database.is_usable()) {
      throw error{store_errc::connection_lost, "postgres: the connection was lost in a handler's write"};
    }
    if (!database.is_in_transaction()) {
      return write_failure{"a handler's write ended the transaction of settle, or left it failed"};
    }
    return std::nullopt;
  }

  void claim_next(exchange_result& result, const claim_request& request) {
    const instant began = clock_.now();
    result.orphans_waiting =
        expire_leases(on_, clock_override_of(clock_), lent_.leased.begin(began), std::int64_t{options_.failures_kept});
    lent_.leased.end(sql::integer_of(began), 0, clock_.now());  // no lease that ended before `began` is left
    result.claimed = claim(on_, request, clock_, lent_.ready, options_.failures_kept);
    if (result.claimed.size() >= request.limit && request.kind == claim_kind::ordinary) {
      return;
    }
    const bool has_cursor = request.kind == claim_kind::ordinary && request.limits_by_name.empty();
    const std::int64_t ready_from = has_cursor ? lent_.ready.from() : claim_cursor::from_the_start;
    const next_due found = scan_next_due(on_, result.claimed, request, ready_from, lent_.leased.from());
    result.orphans_waiting = found.has_orphans;
    if (result.claimed.size() < request.limit) {
      result.next_due = sql::earlier(found.ready, found.lease_end);
      if (has_cursor) {
        result.next_due = sql::earlier(result.next_due, lent_.ready.next_full());
      }
    }
  }

  void commit(transaction& all, open_settlements applied, const std::vector<claimed_event>& claimed) {
    if (applied.empty() && claimed.empty()) {
      all.commit();
      return;
    }
    in_doubt_commits::commit in_doubt{count_outcomes(on_, applied), {}, claimed};
    for (const settlement_type* const each : applied) {
      in_doubt.applied.push_back(each->held);
    }
    try {
      all.commit();
    } catch (const error& failed) {
      if (failed.code() == make_error_code(store_errc::connection_lost)) {
        in_doubt_.add(std::move(in_doubt));
      }
      throw;
    }
  }

  pooled_session& lent_;
  session& on_;
  const store_options& options_;
  Clock& clock_;
  in_doubt_commits& in_doubt_;
};

}  // namespace event_relay::postgres::detail
