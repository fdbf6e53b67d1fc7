// SPDX-License-Identifier: MIT
// Where an outbox lives. A store keeps events and knows the rules of claiming them; it decides nothing about
// attempts, decodes nothing and starts no thread.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/wake_signal.hpp"

namespace event_relay {

/// The contract of every store, which one test suite (tests/support/store_contract.hpp) holds:
///
/// - `append(host, records)` stores events in the transaction that is open on the host's connection: they
///   are seen when it commits and vanish when it is rolled back. The answers are in the records' order.
/// - `turn(settlements, request)` is one transaction that stores what became of attempts, turns expired
///   leases into orphans, and then claims what `request` asks for. It gives each claimed event its attempt's
///   number and a token above all earlier ones, committed before it returns.
///     - A settlement counts only while its lease is the event's current one; otherwise it is `stale`.
///       Its history, follow-ups and write are applied with it or not at all.
///     - A lease that has expired gives the attempt's number back and makes the event an orphan. If the
///       attempt was an isolated one, it keeps its number, gets a failure "lease expired", and is `crashed`.
///     - No more events of a name are claimed than its claim limit allows, and however many wait for theirs, they
///       keep no others waiting.
///     - A processed event is gone, or kept for as long as the store was told to; its id is still taken then.
///     - Of the events of one ordering key only the head is ever claimed: the first that was appended and has
///       not ended. The next becomes the head in the transaction that ends it, unless it is a dead letter that
///       holds its key.
/// - `renew(leases, length)` holds each lease for `length` from now; false for one that is another's by now.
/// - `release(leases)` undoes claims, the attempts' numbers included; returns how many it undid.
/// - `find(id)` shows an event that is kept.
/// - `maintain(limit)` does a part of the store's housekeeping in one short transaction. It looks at up to `limit`
///   ordering keys, others at each call, and frees a key's next event where nothing blocks it any more: what ends
///   an event does that, this is for what a fault has left. It deletes up to `limit` processed events that
///   have been kept for their time. True if it deleted as many as it might, and so may find more at once.
/// - `has_unfinished()`: whether anything is ready, scheduled, leased or orphan, for anybody.
/// - `now()` is the one time of the store, which leases and instants go by.
/// - `signal()` is woken when events may have become ready.
/// - `warning()` says, once, what an operator should know; nothing otherwise.
///
/// **Errors**: `store_error`; the operation has then changed nothing. **Thread safety**: all but `append`
/// may be called from any thread; `append` from the thread that uses the host's connection.
template <class Store>
concept event_store = requires(Store& store, typename Store::host_connection host,
                               std::span<const event_record> records,
                               std::span<const settlement<typename Store::transaction>> settlements,
                               const claim_request& request, std::span<const lease> leases,
                               std::chrono::milliseconds length, std::string_view id) {
  { store.append(host, records) } -> std::same_as<std::vector<append_status>>;
  { store.exchange(settlements, request) } -> std::same_as<exchange_result>;
  { store.renew(leases, length) } -> std::same_as<std::vector<bool>>;
  { store.release(leases) } -> std::same_as<std::size_t>;
  { store.find(id) } -> std::same_as<std::optional<stored_event>>;
  { store.maintain(std::size_t{}) } -> std::same_as<bool>;
  { store.has_unfinished() } -> std::same_as<bool>;
  { store.now() } -> std::same_as<instant>;
  { store.signal() } -> std::same_as<wake_signal&>;
  { store.warning() } -> std::same_as<std::optional<std::string>>;
};

/// Whether a turn may have made events ready, or due at an instant, that its own claim did not take: follow-ups; and,
/// where it claimed nothing or as much as it might, the next of a key, or a retry.
template <class Transaction>
bool leaves_work(std::span<const settlement<Transaction>> settlements, const exchange_result& result,
                 const claim_request& request) {
  const bool has_taken_all = request.kind == claim_kind::ordinary && result.claimed.size() < request.limit;
  for (std::size_t at = 0; at < settlements.size(); ++at) {
    const settlement<Transaction>& each = settlements[at];
    const bool is_applied = result.settled[at].status == settle_status::applied;
    const bool may_free = !each.ordering_key.empty() || each.status == attempt_status::retry_scheduled;
    if (is_applied && (!each.follow_ups.empty() || (may_free && !has_taken_all))) {
      return true;
    }
  }
  return false;
}

/// A turn that only claims.
template <event_store Store>
exchange_result claim(Store& store, const claim_request& request) {
  return store.exchange({}, request);
}

/// A turn that only settles.
template <event_store Store>
std::vector<settle_result> settle(Store& store, std::span<const settlement<typename Store::transaction>> settlements) {
  return store.exchange(settlements, {}).settled;
}

}  // namespace event_relay
