// SPDX-License-Identifier: MIT
// The database of a run in an SQLite file: how the service and its outbox connect to it, and the tables.
#pragma once

#include <chrono>
#include <string>

#include <event_relay/sqlite/sqlite.hpp>

#include "options.hpp"

namespace bookings {

struct bookings_in_sqlite {
  using connection = event_relay::sqlite::connection;
  using transaction = event_relay::sqlite::immediate_transaction;

  std::string path;

  event_relay::sqlite::store<> open_store(const options& chosen) const {
    return event_relay::sqlite::store{path, {.keep_processed = chosen.keep_processed}};
  }

  /// The service's own connection. It waits long for the worker's commits, rather than refuse a booking.
  connection connect() const { return connection{path, std::chrono::seconds{30}}; }

  static void make_tables(connection& database) {
    transaction made{database};
    database.execute(
        "CREATE TABLE IF NOT EXISTS bookings (id TEXT PRIMARY KEY, customer_user_id TEXT NOT NULL, "
        "requested_service TEXT NOT NULL, customer_location TEXT, price_cents INTEGER NOT NULL, currency TEXT NOT "
        "NULL, "
        "state TEXT NOT NULL, provider_user_id TEXT, decline_reason TEXT) STRICT");
    database.execute(
        "CREATE TABLE IF NOT EXISTS payments (id TEXT PRIMARY KEY, booking_id TEXT NOT NULL UNIQUE "
        "REFERENCES bookings, amount_cents INTEGER NOT NULL, currency TEXT NOT NULL, captured_at TEXT NOT NULL) "
        "STRICT");
    database.execute(
        "CREATE TABLE IF NOT EXISTS notifications_delivered (notification_id TEXT PRIMARY KEY, event_id TEXT NOT NULL, "
        "channel TEXT NOT NULL, recipient TEXT NOT NULL, subject TEXT, body TEXT NOT NULL, "
        "correlation_id TEXT NOT NULL, delivered_at TEXT NOT NULL) STRICT");
    database.execute(
        "CREATE TABLE IF NOT EXISTS played_rows (file TEXT NOT NULL, line INTEGER NOT NULL, PRIMARY KEY (file, line)) "
        "STRICT, WITHOUT ROWID");
    made.commit();
  }
};

}  // namespace bookings
