// SPDX-License-Identifier: MIT
// The database of a run on a PostgreSQL server: how the service and its outbox connect to it, and the tables.
#pragma once

#include <string>

#include <event_relay/postgres/postgres.hpp>

#include "options.hpp"

namespace bookings {

struct bookings_in_postgres {
  using connection = event_relay::postgres::connection;
  using transaction = event_relay::postgres::transaction;

  std::string conninfo;

  event_relay::postgres::store<> open_store(const options& chosen) const {
    return event_relay::postgres::store{conninfo,
                                        {.max_connections = chosen.workers + 1,  // and one for the heartbeat
                                         .keep_processed = chosen.keep_processed}};
  }

  /// The service's own connection; where the host has one already, a PGconn* will do.
  connection connect() const { return connection{event_relay::postgres::conninfo{conninfo}}; }

  static void make_tables(connection& database) {
    transaction made{database};
    // IF NOT EXISTS fails where two processes make the same table at once.
    database.execute("SELECT pg_advisory_xact_lock(hashtextextended('booking_service', 0))");
    database.run(
        "CREATE TABLE IF NOT EXISTS bookings (id text PRIMARY KEY, customer_user_id text NOT NULL, "
        "requested_service text NOT NULL, customer_location text, price_cents bigint NOT NULL, currency text NOT "
        "NULL, state text NOT NULL, provider_user_id text, decline_reason text);"
        "CREATE TABLE IF NOT EXISTS payments (id text PRIMARY KEY, booking_id text NOT NULL UNIQUE "
        "REFERENCES bookings, amount_cents bigint NOT NULL, currency text NOT NULL, captured_at text NOT NULL);"
        "CREATE TABLE IF NOT EXISTS notifications_delivered (notification_id text PRIMARY KEY, event_id text NOT NULL, "
        "channel text NOT NULL, recipient text NOT NULL, subject text, body text NOT NULL, "
        "correlation_id text NOT NULL, delivered_at text NOT NULL);"
        "CREATE TABLE IF NOT EXISTS played_rows (file text NOT NULL, line bigint NOT NULL, PRIMARY KEY (file, line))");
    made.commit();
  }
};

}  // namespace bookings
