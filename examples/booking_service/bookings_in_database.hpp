// SPDX-License-Identifier: MIT
// The booking service's own tables, in the database that holds its outbox too, and the host's connection to
// it. Nothing here knows of events. What differs between databases is in bookings_in_sqlite.hpp and
// bookings_in_postgres.hpp; SQLite takes PostgreSQL's $1 for a parameter as well.
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <event_relay/core/instant.hpp>

#include "booking.hpp"

namespace bookings {

/// A `booking_table`. Refers to the connection, which must outlive it.
template <class Connection>
class bookings_in_database {
 public:
  explicit bookings_in_database(Connection& database) : database_{database} {}

  std::optional<booking> find(std::string_view id) {
    std::optional<booking> found;
    database_.query(
        "SELECT customer_user_id, requested_service, customer_location, price_cents, bookings.currency, state, "
        "provider_user_id, decline_reason, payments.id, amount_cents, payments.currency, captured_at "
        "FROM bookings LEFT JOIN payments ON booking_id = bookings.id WHERE bookings.id = $1",
        [&](const auto& at) {
          found = booking{.id = std::string{id},
                          .customer_user_id = std::string{at.text(0)},
                          .requested_service = std::string{at.text(1)},
                          .customer_location = at.optional_text(2),
                          .price_cents = at.integer(3),
                          .currency = std::string{at.text(4)},
                          .state = state_named(at.text(5)),
                          .provider_user_id = at.optional_text(6),
                          .decline_reason = at.optional_text(7)};
          if (!at.is_null(8)) {
            found->captured = payment{.id = std::string{at.text(8)},
                                      .amount_cents = at.integer(9),
                                      .currency = std::string{at.text(10)},
                                      .captured_at = event_relay::parse_iso8601(at.text(11)).value()};
          }
        },
        id);
    return found;
  }

  void insert(const booking& added) {
    database_.execute("INSERT INTO bookings VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", added.id,
                      added.customer_user_id, added.requested_service, added.customer_location, added.price_cents,
                      added.currency, name_of(added.state), added.provider_user_id, added.decline_reason);
  }

  void update(const booking& changed) {
    database_.execute("UPDATE bookings SET state = $1, provider_user_id = $2, decline_reason = $3 WHERE id = $4",
                      name_of(changed.state), changed.provider_user_id, changed.decline_reason, changed.id);
    if (changed.captured) {
      database_.execute("INSERT INTO payments VALUES ($1, $2, $3, $4, $5)", changed.captured->id, changed.id,
                        changed.captured->amount_cents, changed.captured->currency,
                        event_relay::iso8601_text{changed.captured->captured_at}.view());
    }
  }

  /// False if the row was played before; otherwise it counts as played once the transaction commits. Another
  /// process that plays the same row waits until then.
  bool begin_row(std::string_view file, std::size_t line) {
    database_.execute("INSERT INTO played_rows VALUES ($1, $2) ON CONFLICT DO NOTHING", file, line);
    return database_.changes() > 0;
  }

 private:
  static booking_state state_named(std::string_view name) {
    for (const auto state :
         {booking_state::submitted, booking_state::accepted, booking_state::declined, booking_state::completed}) {
      if (name_of(state) == name) {
        return state;
      }
    }
    throw std::runtime_error(fmt::format("a booking has the unknown state \"{}\"", name));
  }

  Connection& database_;
};

}  // namespace bookings
