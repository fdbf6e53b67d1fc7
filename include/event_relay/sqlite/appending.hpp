// SPDX-License-Identifier: MIT
// How events come into the table: on the host's connection, in its transaction, and leaving no other trace there.
#pragma once

#include <span>
#include <vector>

#include <sqlite3.h>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "event_relay/sqlite/event_rows.hpp"
#include "event_relay/sqlite/host_connections.hpp"

namespace event_relay::sqlite::detail {

struct keep_last_rowid {
  sqlite3* on;
  sqlite3_int64 last = sqlite3_last_insert_rowid(on);
  ~keep_last_rowid() { sqlite3_set_last_insert_rowid(on, last); }
};

inline std::vector<append_status> append(host_connections& hosts, sqlite3* host, std::span<const event_record> records,
                                         instant now) {
  if (sqlite3_get_autocommit(host) != 0) {
    throw store_error{store_errc::no_transaction,
                      "sqlite: append joins the transaction of the change that the event tells of; begin it with "
                      "BEGIN IMMEDIATE, or an immediate_transaction"};
  }
  host_connections::commit_hook& hook = hosts.hook_on(host);
  const keep_last_rowid kept{host};
  hook.watch_commit();
  std::vector<append_status> answers;
  answers.reserve(records.size());
  const auto insert_all = [&] {
    for (const event_record& record : records) {
      answers.push_back(insert(hook.insertion(record), host, record, now) ? append_status::appended
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
