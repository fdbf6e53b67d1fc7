// SPDX-License-Identifier: MIT
// What an outbox keeps of an event: the event itself in texts and instants, without its type, and its state
// in the outbox. Stores interpret none of the texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event_relay/core/envelope.hpp"
#include "event_relay/core/instant.hpp"

namespace event_relay {

/// An event as it is stored.
struct event_record {
  std::string id;
  std::string name;
  /// The codec's text, in UTF-8.
  std::string payload;
  instant occurred_at;
  std::string correlation_id;
  bool replayed = false;
  /// The id of the event that this one follows from; empty if none.
  std::string caused_by = {};
  /// Empty, or a `traceparent`.
  std::string trace = {};
  /// Which part of the host appended it; may be empty.
  std::string source = {};
  /// Events of one key are attempted one at a time and in the order of their append; empty if the order does
  /// not matter.
  std::string ordering_key = {};
  /// The event is not attempted before; absent: it may be at once.
  std::optional<instant> available_at = std::nullopt;

  bool operator==(const event_record&) const = default;
};

enum class append_status {
  appended,   ///< stored, as soon as the transaction commits
  duplicate,  ///< an event of this id is in the store, in whatever state; nothing was changed
};

/// A worker's time-limited right to an event. The token is the store's number of the claim: it is never used
/// again, and is higher at each claim.
struct lease {
  std::int64_t row = 0;
  std::uint64_t token = 0;

  bool operator==(const lease&) const = default;
};

/// An event that a worker, and no other, may attempt now.
struct claimed_event {
  lease held;
  event_record record;
  /// This attempt's number; it is stored before the attempt runs.
  attempt_number attempt = 1;
  /// Claimed as an orphan: nothing else may run in the process meanwhile.
  bool isolated = false;
  /// Its last attempt was an isolated one whose lease expired, most likely by a crash. That attempt counts.
  bool crashed = false;
  /// How many of its failures are kept.
  std::uint32_t failures = 0;
};

/// What is kept of an attempt that failed.
struct failure_record {
  attempt_number attempt = 1;
  instant at;
  std::string text;

  bool operator==(const failure_record&) const = default;
};

/// The state of an event in a store.
enum class event_state {
  ready,        ///< waits to be claimed, or until it is due
  leased,       ///< claimed by a worker
  orphan,       ///< its worker vanished, so it is claimed alone
  dead_letter,  ///< no further attempt is made
  blocked,      ///< waits for an earlier event of its key
  processed,    ///< kept until its retention is over
};

constexpr std::string_view wire_name(event_state state) {
  switch (state) {
    case event_state::ready: return "ready";
    case event_state::leased: return "leased";
    case event_state::orphan: return "orphan";
    case event_state::dead_letter: return "dead-letter";
    case event_state::blocked: return "blocked";
    case event_state::processed: return "processed";
  }
  return "unknown";
}

/// An event in a store, as `find` and the pages of dead letters return it.
struct stored_event {
  event_record record;
  event_state state = event_state::ready;
  /// The attempts that count so far, including the one that runs.
  attempt_number attempts = 0;
  /// The token of the last claim; 0 before the first.
  std::uint64_t token = 0;
  /// When it became, or becomes, ready.
  instant available_at;
  /// Present exactly while it is leased.
  std::optional<instant> leased_until = std::nullopt;
  /// Both present exactly when it is a dead letter.
  std::optional<dead_letter_reason> reason = std::nullopt;
  std::optional<instant> dead_since = std::nullopt;
  /// A dead letter that the other events of its key wait for, until it is redriven or purged.
  bool holds_key = false;
  /// Present exactly when it is processed: the end of its retention.
  std::optional<instant> kept_until = std::nullopt;
  /// The last failures, oldest first.
  std::vector<failure_record> failures = {};
};

}  // namespace event_relay
