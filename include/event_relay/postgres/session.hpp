// SPDX-License-Identifier: MIT
// One of the library's own connections, with the outbox's statements.
#pragma once

#include "event_relay/postgres/driver/connection.hpp"
#include "event_relay/postgres/outbox_names.hpp"
#include "event_relay/sql/session.hpp"

namespace event_relay::postgres::detail {

/// Used by one thread at a time.
using session = sql::session<connection, statement_names>;

}  // namespace event_relay::postgres::detail
