// SPDX-License-Identifier: MIT
// The sessions of a store: how they are opened, and what each remembers between two exchanges.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "event_relay/postgres/claim_cursor.hpp"
#include "event_relay/postgres/driver/connection.hpp"
#include "event_relay/postgres/driver/conninfo.hpp"
#include "event_relay/postgres/driver/pool.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/store_options.hpp"

namespace event_relay::postgres::detail {

/// A session, and where its claims begin to scan.
struct pooled_session {
  session on;
  claim_cursor ready = {};
  claim_cursor leased = {};
  /// How often the store's cursors had been outdated when this session last reset its own.
  std::uint64_t cursors_seen = 0;

  connection& database() { return on.database(); }
};

using session_pool = pool<pooled_session>;

inline std::unique_ptr<pooled_session> open_session(const conninfo& to, const store_options& options) {
  auto opened =
      std::make_unique<pooled_session>(pooled_session{session{connection{to}, statement_names{options.names}}});
  // The plans must not depend on what ANALYZE found last: everything that a statement touches has its index. JIT is
  // off because a plan that such an index makes dear on paper would be compiled each time.
  opened->on.run(
      fmt::format("SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; "
                  "SET plan_cache_mode = force_generic_plan; SET client_encoding = 'UTF8'; SET lock_timeout = {}",
                  options.lock_timeout.count()));
  if (options.on_open) {
    options.on_open(opened->database());
  }
  return opened;
}

}  // namespace event_relay::postgres::detail
