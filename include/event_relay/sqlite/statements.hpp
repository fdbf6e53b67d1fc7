// SPDX-License-Identifier: MIT
// All statements of the outbox in SQLite, but for the scripts that make its tables (schema.hpp). Each stands once and
// has a name, which says what it does. Those that mean the events of a state name the partial index of that state: what
// ANALYZE finds in a host's database must not send them through all rows (https://sqlite.org/lang_indexedby.html).
#pragma once

#include <array>

#include "event_relay/sql/statement.hpp"
#include "event_relay/sqlite/statements/claim.hpp"
#include "event_relay/sqlite/statements/operate.hpp"
#include "event_relay/sqlite/statements/settle.hpp"

namespace event_relay::sqlite::detail::statements {

/// For the tests, which prepare all of them and look at their plans.
inline constexpr std::array all = {record_expired_attempts,
                                   drop_older_failures_of_expired,
                                   make_orphans,
                                   next_token,
                                   select_ready,
                                   lease_ready,
                                   lease_event,
                                   lease_orphan,
                                   earliest_ready,
                                   earliest_lease_end,
                                   has_orphans,
                                   create_name_index,
                                   next_ready_name,
                                   select_ready_of_name,
                                   earliest_ready_of_name,
                                   insert_event,
                                   insert_keyed_event,
                                   renew_lease,
                                   release_lease,
                                   delete_processed,
                                   keep_processed,
                                   schedule_retry,
                                   make_dead_letter,
                                   add_outcomes,
                                   count_failure,
                                   add_failure,
                                   drop_older_failures,
                                   drop_failures,
                                   head_of_key,
                                   first_blocked_of_key,
                                   block_event,
                                   make_head,
                                   find_event,
                                   select_failures,
                                   select_dead_letters,
                                   redrive_dead_letter,
                                   purge_dead_letter,
                                   needs_maintenance,
                                   next_blocked_key,
                                   drop_failures_of_kept,
                                   delete_kept,
                                   count_ready,
                                   count_scheduled,
                                   count_leased,
                                   count_orphans,
                                   count_dead_letters,
                                   count_blocked,
                                   count_held_keys,
                                   select_outcomes,
                                   has_unfinished,
                                   has_name,
                                   stored_version,
                                   store_version};

}  // namespace event_relay::sqlite::detail::statements
