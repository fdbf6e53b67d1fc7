// SPDX-License-Identifier: MIT
// A turn: settle what was attempted and claim what comes next, in one transaction, and in another one without a
// handler's write that took the first with it.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/sqlite/claims.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "event_relay/sqlite/metrics_rows.hpp"
#include "event_relay/sqlite/settlements.hpp"
#include "event_relay/sqlite/store_options.hpp"

namespace event_relay::sqlite::detail {

// By place, with what was thrown: writes that took all of the transaction with them.
using failed_writes = std::map<std::size_t, std::string>;

// A turn in which these writes count as failed; nothing, and one more of them, if another did the same.
template <class Clock>
std::optional<exchange_result> try_exchange(connection& database, failed_writes& failed,
                                            std::span<const settlement<connection>> settlements,
                                            const claim_request& request, const store_options& options,
                                            const Clock& clock) {
  immediate_transaction all{database};
  const instant now = clock.now();
  const settle_rules rules{now, options.failures_kept, options.keep_processed};
  exchange_result result;
  for (std::size_t at = 0; at < settlements.size(); ++at) {
    if (const auto known = failed.find(at); known != failed.end()) {
      result.settled.push_back({settle_status::write_failed, known->second});
      continue;
    }
    try {
      result.settled.push_back(settle(database, settlements[at], rules));
    } catch (transaction_ended& ended) {
      failed.emplace(at, std::move(ended.error));
      return std::nullopt;
    }
  }
  count_outcomes(database, settlements, result.settled);
  if (request.limit > 0) {
    expire(database, now, options.failures_kept);
    claim(database, result, request, now, options.failures_kept);
    look_ahead(database, result, request);
  }
  all.commit();
  return result;
}

template <class Clock>
exchange_result exchange(connection& database, std::span<const settlement<connection>> settlements,
                         const claim_request& request, const store_options& options, const Clock& clock) {
  for (failed_writes failed;;) {
    if (auto result = try_exchange(database, failed, settlements, request, options, clock)) {
      return *std::move(result);
    }
  }
}

}  // namespace event_relay::sqlite::detail
