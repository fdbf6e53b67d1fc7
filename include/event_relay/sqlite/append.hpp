// SPDX-License-Identifier: MIT
// Appending: events are inserted on the host's connection, in the host's transaction, and nothing else of the
// connection is changed.
#pragma once

#include <span>
#include <vector>

#include <sqlite3.h>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/sqlite/commit_hook.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "event_relay/sqlite/insert_event.hpp"

namespace event_relay::sqlite::detail {

struct keep_last_rowid {
  sqlite3* on;
  sqlite3_int64 last = sqlite3_last_insert_rowid(on);
  ~keep_last_rowid() { sqlite3_set_last_insert_rowid(on, last); }
};

inline std::vector<append_status> append(commit_hooks& hooks, sqlite3* host, std::span<const event_record> records,
                                         instant now) {
  if (sqlite3_get_autocommit(host) != 0) {
    throw store_error{store_errc::no_transaction,
                      "sqlite: append joins the transaction of the change that the event tells of; begin it with "
                      "BEGIN IMMEDIATE, or an immediate_transaction"};
  }
  commit_hooks::commit_hook& hook = hooks.hook_on(host);
  const keep_last_rowid kept{host};
  hook.watch_commit();
  std::vector<append_status> answers;
  answers.reserve(records.size());
  const auto insert_all = [&] {
    for (const event_record& record : records) {
      answers.push_back(insert_event(hook.insertion(record), host, record, now) ? append_status::appended
                                                                                : append_status::duplicate);
    }
  };
  if (records.size() == 1) {
    insert_all();
  } else {
    savepoint all_or_none{host};
    insert_all();
    all_or_none.release();
  }
  return answers;
}

}  // namespace event_relay::sqlite::detail
