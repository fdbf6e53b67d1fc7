// SPDX-License-Identifier: MIT
// Commits in doubt, of which the caller was not told whether they happened: the connection broke during a COMMIT, or a
// part of a batch was stored before the rest failed. Whoever settles the same leases again gets the answer, and nothing
// is stored twice.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/driver/error.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/statements.hpp"

namespace event_relay::postgres::detail {

/// Thread-safe.
class in_doubt_commits {
 public:
  /// A transaction of this number may have been committed.
  struct commit {
    std::string number;
    std::vector<lease> applied;
    std::vector<claimed_event> claimed;
  };

  void add(commit in_doubt) {
    const std::lock_guard lock{mutex_};
    in_doubt_.push_back(std::move(in_doubt));
  }

  /// This settlement is stored, whatever becomes of the rest of its batch.
  void stored(const lease& settled) {
    const std::lock_guard lock{mutex_};
    stored_.emplace_back(settled);
  }
  /// Its caller was told so.
  void reported(const lease& settled) { take(settled); }

  /// Asks the server what became of each transaction. Throws store_error: busy if that is not decided yet.
  void resolve(session& on) {
    const std::lock_guard lock{mutex_};
    while (!in_doubt_.empty()) {
      const commit& latest = in_doubt_.back();
      const std::string status = status_of(on, latest.number);
      if (status == "in progress") {
        throw store_error{store_errc::busy, "postgres: a commit whose connection broke is still being decided"};
      }
      if (status == "committed") {
        stored_.insert(stored_.end(), latest.applied.begin(), latest.applied.end());
        claimed_.insert(claimed_.end(), latest.claimed.begin(), latest.claimed.end());
      }
      in_doubt_.pop_back();
    }
  }

  /// Whether this settlement was stored by an exchange whose caller was not told so. True once.
  bool take(const lease& settled) {
    const std::lock_guard lock{mutex_};
    const auto found = std::find(stored_.begin(), stored_.end(), settled);
    if (found == stored_.end()) {
      return false;
    }
    stored_.erase(found);
    return true;
  }

  /// Events that were claimed by such an exchange, up to `limit` of this kind.
  std::vector<claimed_event> take_claimed(claim_kind kind, std::size_t limit) {
    const std::lock_guard lock{mutex_};
    std::vector<claimed_event> taken;
    for (auto each = claimed_.begin(); each != claimed_.end() && taken.size() < limit;) {
      if (each->isolated == (kind == claim_kind::orphan)) {
        taken.push_back(std::move(*each));
        each = claimed_.erase(each);
      } else {
        ++each;
      }
    }
    return taken;
  }

 private:
  static std::string status_of(session& on, const std::string& number) {
    std::string status;
    try {
      on.query(
          statements::read_commit_status, [&](const row& at) { status = at.text("status"); }, number);
    } catch (const error& failed) {
      // A replica that took over without having received the transaction says that it is in the future. For that server
      // it has never been.
      if (failed.sqlstate() != "22023") {
        throw;
      }
    }
    return status;
  }

  std::mutex mutex_;
  std::vector<commit> in_doubt_;
  std::vector<lease> stored_;
  std::vector<claimed_event> claimed_;
};

}  // namespace event_relay::postgres::detail
