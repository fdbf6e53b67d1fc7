// SPDX-License-Identifier: MIT
// What a store can do with dead letters: find, redrive and purge them.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "event_relay/core/envelope.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/store.hpp"

namespace event_relay {

/// Which dead letters are meant; a field that is absent admits all.
struct dead_letter_filter {
  std::optional<std::string> name = std::nullopt;
  std::optional<std::string> ordering_key = std::nullopt;
  std::optional<std::string> correlation_id = std::nullopt;
  std::optional<dead_letter_reason> reason = std::nullopt;
  /// Those that became dead letters at this instant or later.
  std::optional<instant> since = std::nullopt;
  /// Those that became dead letters before this instant.
  std::optional<instant> until = std::nullopt;
};

/// Whether the filter admits this dead letter.
inline bool matches(const dead_letter_filter& filter, const stored_event& event) {
  const auto agrees = [](const auto& wanted, const auto& is) { return !wanted || *wanted == is; };
  return agrees(filter.name, event.record.name) && agrees(filter.ordering_key, event.record.ordering_key) &&
         agrees(filter.correlation_id, event.record.correlation_id) && agrees(filter.reason, *event.reason) &&
         (!filter.since || *event.dead_since >= *filter.since) && (!filter.until || *event.dead_since < *filter.until);
}

/// The last dead letter of a page. Pages are in the order in which events became dead letters, and in the
/// order of their append where that instant is the same.
struct dead_letter_cursor {
  instant dead_since;
  std::int64_t row = 0;

  // clang-tidy 14 takes the literal 0 of a defaulted <=> for a pointer.
  auto operator<=>(const dead_letter_cursor&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct dead_letter_page {
  /// Each with its failures.
  std::vector<stored_event> events;
  /// The cursor to ask for the next page with; absent if this page is the last.
  std::optional<dead_letter_cursor> next = std::nullopt;
};

/// A dead letter to be attempted again.
struct redrive_request {
  std::string id;
  /// The event is not attempted before.
  instant available_at;
  /// Redrive it only if it is the dead letter since exactly then, as it was when it was listed; absent: in
  /// any case.
  std::optional<instant> dead_since = std::nullopt;
};

/// A dead letter to be deleted.
struct purge_request {
  std::string id;
  /// As in a `redrive_request`.
  std::optional<instant> dead_since = std::nullopt;
};

namespace detail {

inline std::vector<purge_request> purge_requests(std::span<const std::string> ids) {
  std::vector<purge_request> requests;
  requests.reserve(ids.size());
  for (const std::string& each : ids) {
    requests.push_back({each});
  }
  return requests;
}

}  // namespace detail

/// What such a store does beyond an `event_store`, tested by the same suite:
///
/// - `dead_letters(filter, after, limit)` is a page of at most `limit` dead letters, those after the cursor.
/// - `redrive(requests)` makes each dead letter an event that has not been attempted: its failures stay, its
///   token continues from the last one, and a keyed one is back in its place among the events of its key.
///   False for what is not, or no longer, a dead letter, and for one that has become a dead letter again
///   since the request's `dead_since`.
/// - `purge(requests)` deletes the dead letters for which a redrive would be true; a key that one of them
///   held is released. Returns how many it deleted. `purge(ids)` deletes them whenever they became dead
///   letters.
///
/// **Errors**: `store_error`; the operation has then changed nothing. Thread-safe.
template <class Store>
concept dead_letter_store = event_store<Store> &&
    requires(Store& store, const dead_letter_filter& filter, const std::optional<dead_letter_cursor>& after,
             std::size_t limit, std::span<const redrive_request> redrives, std::span<const purge_request> purges,
             std::span<const std::string> ids) {
  { store.dead_letters(filter, after, limit) } -> std::same_as<dead_letter_page>;
  { store.redrive(redrives) } -> std::same_as<std::vector<bool>>;
  { store.purge(purges) } -> std::same_as<std::size_t>;
  { store.purge(ids) } -> std::same_as<std::size_t>;
};

}  // namespace event_relay
