// SPDX-License-Identifier: MIT
// How the outboxes of this process learn that a host's transaction was committed: from libpq's events
// (https://www.postgresql.org/docs/current/libpq-events.html). A connection may have any number of event procedures, so
// that nothing of the host's is touched. A hook ends with its connection.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <libpq-events.h>
#include <libpq-fe.h>

#include "event_relay/outbox/store_error.hpp"

namespace event_relay::postgres {

/// What the outboxes of this process keep on one of the host's connections. Used by the thread that uses the
/// connection.
class commit_hook {
 public:
  using committed_function = std::function<void()>;

  /// The hook on `host`, which is made at the first call and lives as long as the connection.
  static commit_hook& on(PGconn* host) {
    if (void* const known = PQinstanceData(host, handle)) {
      return *static_cast<commit_hook*>(known);
    }
    if (PQregisterEventProc(host, handle, "event_relay", nullptr) == 0) {
      throw store_error{store_errc::rejected, "postgres: libpq took no event procedure for the host's connection"};
    }
    auto made = std::make_unique<commit_hook>();
    PQsetInstanceData(host, handle, made.get());
    return *made.release();
  }

  /// Whether `outbox` was found in this connection's database. That is forgotten when the connection is made anew.
  bool has_checked(const void* outbox) const {
    for (const visit& each : visits_) {
      if (each.outbox.lock().get() == outbox) {
        return each.is_checked;
      }
    }
    return false;
  }
  void checked(const std::shared_ptr<const committed_function>& outbox) { visit_of(outbox).is_checked = true; }

  /// `outbox` is called when the transaction that is open now has been committed, if it still is there.
  void watch_commit(const std::shared_ptr<const committed_function>& outbox) { visit_of(outbox).is_waiting = true; }

 private:
  struct visit {
    std::weak_ptr<const committed_function> outbox;
    bool is_checked = false;
    bool is_waiting = false;
  };

  visit& visit_of(const std::shared_ptr<const committed_function>& outbox) {
    std::erase_if(visits_, [](const visit& each) { return each.outbox.expired(); });
    for (visit& each : visits_) {
      if (each.outbox.lock() == outbox) {
        return each;
      }
    }
    visits_.push_back({outbox});
    return visits_.back();
  }

  // A rollback to a savepoint looks like one of the whole transaction. So a commit that is waited for is given up when
  // the next transaction begins, and not at a rollback.
  void has_run(std::string_view command) {
    const bool is_commit = command == "COMMIT" || command == "COMMIT PREPARED";
    if (!is_commit && command != "BEGIN" && command != "START TRANSACTION") {
      return;
    }
    for (visit& each : visits_) {
      if (std::exchange(each.is_waiting, false) && is_commit) {
        if (const auto outbox = each.outbox.lock()) {
          (*outbox)();
        }
      }
    }
  }

  static int handle(PGEventId what, void* info, void*) {
    const auto hook_of = [](PGconn* host) { return static_cast<commit_hook*>(PQinstanceData(host, handle)); };
    if (what == PGEVT_RESULTCREATE) {
      const auto* const at = static_cast<PGEventResultCreate*>(info);
      if (commit_hook* const hook = hook_of(at->conn);
          hook != nullptr && PQresultStatus(at->result) == PGRES_COMMAND_OK) {
        hook->has_run(PQcmdStatus(at->result));
      }
    } else if (what == PGEVT_CONNRESET) {
      if (commit_hook* const hook = hook_of(static_cast<PGEventConnReset*>(info)->conn)) {
        hook->visits_.clear();
      }
    } else if (what == PGEVT_CONNDESTROY) {
      delete hook_of(static_cast<PGEventConnDestroy*>(info)->conn);
    }
    return 1;
  }

  std::vector<visit> visits_;
};

}  // namespace event_relay::postgres
