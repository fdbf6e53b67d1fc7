// SPDX-License-Identifier: MIT
// An exchange: what was attempted is settled and what comes next is claimed, in one transaction. If a handler's write
// ends that transaction, all is done again in another one, without that write.
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
#include "event_relay/sqlite/claim.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "event_relay/sqlite/metrics.hpp"
#include "event_relay/sqlite/scan.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/settle.hpp"
#include "event_relay/sqlite/store_options.hpp"

namespace event_relay::sqlite::detail {

/// Writes that have ended the whole transaction: by the place of their settlement, with what they threw.
using failed_writes = std::map<std::size_t, std::string>;

/// Writes in `failed` count as failed. Returns nothing, and adds to `failed`, if one more has ended the transaction.
template <class Clock>
std::optional<exchange_result> try_exchange(session& on, failed_writes& failed,
                                            std::span<const settlement<connection>> settlements,
                                            const claim_request& request, const store_options& options,
                                            const Clock& clock) {
  immediate_transaction all{on.database()};
  const instant now = clock.now();
  const settle_rules rules{now, options.failures_kept, options.keep_processed};
  exchange_result result;
  for (std::size_t at = 0; at < settlements.size(); ++at) {
    if (const auto known = failed.find(at); known != failed.end()) {
      result.settled.push_back({settle_status::write_failed, known->second});
      continue;
    }
    try {
      result.settled.push_back(settle(on, settlements[at], rules));
    } catch (transaction_ended& ended) {
      failed.emplace(at, std::move(ended.error));
      return std::nullopt;
    }
  }
  count_outcomes(on, settlements, result.settled);
  if (request.limit > 0) {
    expire_leases(on, now, options.failures_kept);
    claim(on, result, request, now, options.failures_kept);
    scan(on, result, request);
  }
  all.commit();
  return result;
}

template <class Clock>
exchange_result exchange(session& on, std::span<const settlement<connection>> settlements, const claim_request& request,
                         const store_options& options, const Clock& clock) {
  for (failed_writes failed;;) {
    if (auto result = try_exchange(on, failed, settlements, request, options, clock)) {
      return *std::move(result);
    }
  }
}

}  // namespace event_relay::sqlite::detail
