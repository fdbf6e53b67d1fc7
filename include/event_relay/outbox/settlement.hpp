// SPDX-License-Identifier: MIT
// What a worker gives a store to store after attempts, and what the store answers.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "event_relay/core/decision.hpp"
#include "event_relay/core/envelope.hpp"
#include "event_relay/core/handler.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"

namespace event_relay {

enum class key_after_dead_letter {
  released,  ///< the next event of the key is attempted
  held,      ///< all of them wait until the dead letter is redriven or purged
};

/// What follows from one attempt, to be stored.
template <class Transaction>
struct settlement {
  lease held;
  /// The event's.
  std::string name = {};
  /// The event's; when the event has ended, the next one of this key may be claimed.
  std::string ordering_key = {};
  attempt_status status = attempt_status::processed;
  /// How many attempts count from now on.
  attempt_number attempt = 1;
  /// For retry_scheduled: the event is due so long after the settle.
  std::chrono::milliseconds delay{0};
  /// For dead_letter.
  dead_letter_reason reason = dead_letter_reason::max_attempts_exhausted;
  /// For dead_letter: what becomes of the later events of its key.
  key_after_dead_letter key = key_after_dead_letter::released;
  /// The failure's text, to be added to the event's history; absent if none is to be added.
  std::optional<std::string> failure = std::nullopt;
  /// Whether failures of earlier attempts are stored; if not, the store need not read them.
  bool has_history = true;
  /// For processed: follow-up events, appended in the same transaction. One that is in the store already
  /// stays as it is.
  std::vector<event_record> follow_ups = {};
  /// For processed: the handler's own writes, in the same transaction; may be empty.
  std::function<void(Transaction&)> write = nullptr;
};

enum class settle_status {
  applied,       ///< stored, with all that belongs to it
  stale,         ///< the lease is not, or no longer, the event's current one; nothing was changed
  write_failed,  ///< the handler's write threw; all of this settlement is undone, and the event is still leased
};

struct settle_result {
  settle_status status = settle_status::applied;
  /// For write_failed: what the write threw.
  std::string error = {};
};

namespace detail {

// To be called in a catch block: the text of what a handler's write threw.
inline std::string error_of_write() {
  return failure_from_exception("the write threw something that is not a std::exception").reason;
}

}  // namespace detail

/// The result of an `exchange`.
struct exchange_result {
  /// One for each settlement, in the same order.
  std::vector<settle_result> settled;
  /// Oldest first.
  std::vector<claimed_event> claimed;
  /// Whether orphans wait to be claimed.
  bool orphans_waiting = false;
  /// When the earliest event is due, or the earliest lease ends; known if fewer events were claimed than the
  /// limit. Events of a name whose claim limit is used up are left out. Absent if there is none.
  std::optional<instant> next_due = std::nullopt;
};

}  // namespace event_relay
