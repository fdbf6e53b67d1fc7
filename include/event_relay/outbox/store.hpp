// SPDX-License-Identifier: MIT
// A store keeps the events of an outbox and knows the rules of claiming them. It decides nothing about
// attempts and decodes nothing.
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

/// The contract of every store, tested by one suite (tests/support/store_contract.hpp):
///
/// - `append(host, records)` stores events in the transaction that is open on the host's connection: they
///   become visible when it commits and vanish when it is rolled back. The answers are in the records' order.
/// - `exchange(settlements, request)` is one transaction: it stores the ends of attempts, makes orphans of
///   the events whose leases have expired, and then claims what `request` asks for. It gives each claimed
///   event its attempt's number and a token above all earlier ones, committed before it returns.
///     - A settlement counts only while its lease is the event's current one; otherwise it is `stale`. Its
///       failure, follow-ups and write are stored together with it, or not at all.
///     - An event whose lease has expired becomes an orphan, and the attempt does not count. If the attempt
///       was an isolated one, it does count: the event gets a failure "lease expired", and is `crashed` at
///       its next claim.
///     - No more events of a name are claimed than its claim limit allows; however many wait because of it,
///       events of other names do not wait for them.
///     - A processed event is deleted, or kept for the time that the store's options give; while it is kept,
///       its id is still a duplicate.
///     - Of the events of one ordering key only the head is ever claimed: the first that was appended and has
///       not ended. The next becomes the head in the transaction that ends it, unless it is a dead letter that
///       holds its key.
/// - `renew(leases, length)` makes each lease hold for `length` from now; false for one that is no longer the
///   event's current one.
/// - `release(leases)` undoes claims, and their attempts do not count; returns how many it undid.
/// - `find(id)` is the event of this id, if the store has it.
/// - `maintain(limit)` does a part of the store's maintenance in one short transaction. It checks up to
///   `limit` ordering keys, others at each call, and makes a key's next event ready if it is blocked by none;
///   normally that was done when the earlier event ended, so this only repairs what a fault has left. It
///   deletes up to `limit` processed events whose time is over. True if it deleted `limit` events, so that
///   there may be more.
/// - `has_unfinished()` is whether any event is ready, scheduled, leased or an orphan, of whichever worker.
/// - `now()` is the store's time, by which leases and due instants are measured.
/// - `signal()` is woken when events may have become ready.
/// - `warning()` is a text that an operator should see, returned once; nothing otherwise.
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

/// Whether an exchange may have left events ready, or due at an instant, that its own claim did not take:
/// follow-ups, and, if it claimed nothing or as many as its limit, the next event of a key, or a retry.
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

/// An exchange that only claims.
template <event_store Store>
exchange_result claim(Store& store, const claim_request& request) {
  return store.exchange({}, request);
}

/// An exchange that only settles.
template <event_store Store>
std::vector<settle_result> settle(Store& store, std::span<const settlement<typename Store::transaction>> settlements) {
  return store.exchange(settlements, {}).settled;
}

}  // namespace event_relay
