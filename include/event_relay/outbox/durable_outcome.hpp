// SPDX-License-Identifier: MIT
// What a handler of an outbox's events answers: an outcome, and the handler's own writes to the database,
// which are made in the transaction that settles the event. Both are stored, or neither.
#pragma once

#include <concepts>
#include <functional>
#include <utility>

#include "event_relay/core/outcome.hpp"

namespace event_relay {

/// `processed`, with writes:
///
///     return settled_with{[id](sqlite::connection& db) { db.execute("INSERT INTO delivered VALUES (?)", id); }};
template <class Write>
struct settled_with {
  Write write;
  processed done = {};
};

template <class Write>
settled_with(Write) -> settled_with<Write>;
template <class Write>
settled_with(Write, processed) -> settled_with<Write>;

/// An outcome for a store whose transactions are given to handlers' writes as `Transaction&`. It is made of
/// whatever a handler returns. **Delivery**: the writes are committed exactly once, with the event's end;
/// they may be called again if their transaction was rolled back, so they should use nothing but the
/// transaction. A write that throws is undone, and the attempt has failed with the exception's text.
template <class Transaction>
class durable_outcome {
 public:
  using write_function = std::function<void(Transaction&)>;

  // It hides neither copy nor move, as this type does not convert to an outcome.
  template <std::convertible_to<outcome> Result>
  durable_outcome(Result&& result)  // NOLINT(bugprone-forwarding-reference-overload)
      : result_{std::forward<Result>(result)} {}

  template <std::invocable<Transaction&> Write>
  requires std::copy_constructible<Write> durable_outcome(settled_with<Write> result)
      : result_{std::move(result.done)}, write_{std::move(result.write)} {}

  outcome& result() { return result_; }
  const outcome& result() const { return result_; }
  /// Empty where there is nothing to write.
  write_function& write() { return write_; }

 private:
  outcome result_;
  write_function write_;
};

}  // namespace event_relay
