// SPDX-License-Identifier: MIT
#include <string>

#include <fmt/format.h>
#include <event_relay/postgres/postgres.hpp>

#include "file.hpp"
#include "operate_on_database.hpp"

namespace bookings {

namespace {

// Where the store would look for it: in the first schema of the search_path that is there.
void require_outbox(const event_relay::postgres::conninfo& to) {
  event_relay::postgres::connection database{to};
  if (database.integer("SELECT to_regclass(quote_ident(current_schema()) || '.event_relay_outbox') IS NOT NULL", 0) ==
      0) {
    throw file_error{fmt::format("there is no outbox in {}", to.shown())};
  }
}

}  // namespace

int operate_on_postgres(const operator_request& asked, const std::stop_token& stop) {
  require_outbox(event_relay::postgres::conninfo{*asked.postgres});
  event_relay::postgres::store store{*asked.postgres};
  return operate_on(store, asked, stop);
}

}  // namespace bookings
