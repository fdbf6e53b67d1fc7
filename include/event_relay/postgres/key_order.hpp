// SPDX-License-Identifier: MIT
// The order of the events of one key. An append cannot know its place in its key, as others that it cannot see may
// commit before it. So it makes every event ready, and the claim that finds one behind another event of its key blocks
// it. What ends or releases an event frees its key: the first of the events that wait becomes ready again.
//
// Two rules keep an event from being blocked for ever, whatever runs at the same time (READ COMMITTED):
// - An event is blocked only under a share lock on the event that it waits for, which is found unchanged under that
// lock.
// - Whatever ends an event has locked its row, and frees its key by a later statement. That statement sees all events
//   which were blocked under the share lock, because the end had to wait for them to be committed.
//
// An event that is ready although it has to wait does no harm; it only costs a claim some time. The claim looks whether
// an event is behind another one before it leases it, and where two claims do so at the same time, the unique index of
// key locks lets one of them succeed. Each function runs in the transaction that its caller has opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "event_relay/postgres/driver/parameters.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/statements.hpp"
#include "event_relay/sql/rows.hpp"

namespace event_relay::postgres::detail {

inline array array_of(const std::set<std::string>& texts) {
  array all = array::of_texts();
  for (const std::string& each : texts) {
    all.add(std::string_view{each});
  }
  return all;
}

/// Makes the first event of each key ready, if it is blocked and nobody holds the key's lock. Returns whether there was
/// one.
inline bool free_keys(session& on, const std::set<std::string>& keys) {
  if (keys.empty()) {
    return false;
  }
  on.execute(statements::free_keys, array_of(keys));
  return on.changes() > 0;
}

/// How many events of a key are blocked at once: a long queue that was appended at once is out of the way of the others
/// in few statements, and none of them is long.
inline constexpr std::int64_t blocked_at_once = 1000;

/// Blocks the ready events of these keys that have to wait for others. Returns how many. It is none where the events
/// ahead were being changed at this moment; then the next claim will find out more.
inline std::int64_t block_behind(session& on, const std::set<std::string>& keys) {
  on.execute(statements::block_behind, array_of(keys), blocked_at_once);
  return on.changes();
}

struct swept_keys {
  /// The last key that was looked at; empty when there are no more.
  std::string to;
  bool has_freed = false;
};

/// Frees up to `limit` keys with blocked events, those behind `from`, and so mends what a fault has left blocked.
inline swept_keys sweep_keys(session& on, std::string_view from, std::size_t limit) {
  std::set<std::string> keys;
  on.query(
      statements::read_blocked_keys, [&](const row& at) { keys.emplace(at.text("key")); }, from, sql::row_limit(limit));
  const bool has_freed = free_keys(on, keys);
  return {keys.size() < limit || keys.empty() ? std::string{} : *keys.rbegin(), has_freed};
}

}  // namespace event_relay::postgres::detail
