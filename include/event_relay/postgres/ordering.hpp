// SPDX-License-Identifier: MIT
// The order of events of one key. No append can know its place: others that it cannot see may commit before it. So
// an event with a key comes into the claim's index, and the claim that finds it behind another sets it aside as
// blocked. What ends or frees an event opens its key: the first of those that wait is put back into the claim's index.
//
// Two rules keep an event from being blocked for ever, whatever runs at the same time (READ COMMITTED):
// - An event is blocked only under a share lock on the one that it waits for, found unchanged under that lock.
// - What ends an event holds it locked, and opens its key by a later statement, which sees all who were blocked so.
// Being in the claim's index is never wrong, only a claim's time: it looks before it leases, and the unique index
// of taken keys has the last word. Each function runs in the transaction that its caller has opened.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event_relay/postgres/event_rows.hpp"
#include "event_relay/postgres/session.hpp"

namespace event_relay::postgres::detail {

inline array array_of(const std::set<std::string>& texts) {
  array all = array::of_texts();
  for (const std::string& each : texts) {
    all.add(std::string_view{each});
  }
  return all;
}

// Puts the first event of each key into the claim's index, unless the key is taken. True if that changed anything.
inline bool open_keys(session& on, const std::set<std::string>& keys) {
  if (keys.empty()) {
    return false;
  }
  on.execute(
      "UPDATE {events} e SET state = 0 FROM (SELECT (SELECT w.row FROM {events} w WHERE w.ordering_key = k.key AND "
      EVENT_RELAY_PG_IS_WAITING(w) " ORDER BY w.row LIMIT 1) AS row FROM unnest($1::text[]) k(key) WHERE NOT EXISTS "
      "(SELECT 1 FROM {events} t WHERE t.ordering_key = k.key AND " EVENT_RELAY_PG_IS_TAKEN(t) ") ORDER BY 1) first "
      "WHERE e.row = first.row AND e.state = 4",
      array_of(keys));
  return on.changes() > 0;
}

// How many events of a key are set aside at once: a long queue that was appended at once is out of the others' way
// in few statements, and none of them is long.
inline constexpr std::int64_t blocked_at_once = 1000;

// Blocks those of the claim's index that wait behind others of these keys. Returns how many: none where
// the ones ahead were being changed at this moment, and the next claim will find out more.
inline std::int64_t block_behind(session& on, const std::set<std::string>& keys) {
  on.execute(
      "WITH ahead AS MATERIALIZED (SELECT k.key, coalesce((SELECT t.row FROM {events} t WHERE t.ordering_key = k.key "
      "AND " EVENT_RELAY_PG_IS_TAKEN(t) " LIMIT 1), (SELECT w.row FROM {events} w WHERE w.ordering_key = k.key AND "
      EVENT_RELAY_PG_IS_WAITING(w) " ORDER BY w.row LIMIT 1)) AS row FROM unnest($1::text[]) k(key)), "
      "kept AS MATERIALIZED (SELECT a.row, a.ordering_key AS key FROM {events} a WHERE a.row IN (SELECT row FROM ahead) "
      "AND (a.state IN (0, 1, 2, 4) OR a.holds_key) FOR SHARE OF a SKIP LOCKED), "
      "behind AS MATERIALIZED (SELECT b.row FROM kept CROSS JOIN LATERAL (SELECT w.row FROM {events} w WHERE "
      "w.ordering_key = kept.key AND w.row <> kept.row AND " EVENT_RELAY_PG_IS_WAITING(w)
      " AND w.state = 0 ORDER BY w.row LIMIT $2 FOR UPDATE SKIP LOCKED) b) "
      "UPDATE {events} e SET state = 4 FROM behind WHERE e.row = behind.row",
      array_of(keys), blocked_at_once);
  return on.changes();
}

// Looks at `limit` keys with blocked events, those after `key`, and opens each. What is left by a fault is mended by
// that. Returns the last key, empty when there are no more.
struct swept {
  std::string to;
  bool freed = false;
};
inline swept sweep(session& on, std::string_view key, std::size_t limit) {
  std::set<std::string> keys;
  on.query(
      "WITH RECURSIVE k AS ((SELECT b.ordering_key FROM {events} b WHERE b.state = 4 AND b.ordering_key > $1 "
      "ORDER BY b.ordering_key LIMIT 1) UNION ALL SELECT (SELECT b.ordering_key FROM {events} b WHERE b.state = 4 AND "
      "b.ordering_key > k.ordering_key ORDER BY b.ordering_key LIMIT 1) FROM k WHERE k.ordering_key IS NOT NULL) "
      "SELECT ordering_key FROM k WHERE ordering_key IS NOT NULL LIMIT $2",
      [&](const row& at) { keys.emplace(at.text(0)); }, key, row_limit(limit));
  const bool freed = open_keys(on, keys);
  return {keys.size() < limit || keys.empty() ? std::string{} : *keys.rbegin(), freed};
}

}  // namespace event_relay::postgres::detail
