// SPDX-License-Identifier: MIT
// The two kinds of transactions: one whose statements are stored together or not at all, and one that only reads.
#pragma once

#include "event_relay/postgres/driver/connection.hpp"

namespace event_relay::postgres {

/// From BEGIN to `commit`, or to a rollback where it is left without one. It is READ COMMITTED whatever the
/// database's default is: each statement sees what was committed before it began, which the library's own rules
/// rely on. For the library's connections and for a host's. Throws `postgres::error`.
class transaction {
 public:
  explicit transaction(connection& on) : on_{on} { on.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"); }
  ~transaction() {
    if (is_open_ && on_.is_usable() && PQtransactionStatus(on_.handle()) != PQTRANS_IDLE) {
      PQclear(PQexec(on_.handle(), "ROLLBACK"));
    }
  }
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;

  /// If it throws, what became of the transaction is unknown where the connection is lost, and undone otherwise.
  void commit() {
    if (PQtransactionStatus(on_.handle()) == PQTRANS_INERROR) {
      // The server would answer COMMIT with a rollback and call that a success.
      throw error{store_errc::rejected,
                  "postgres: a statement of the transaction has failed, so it cannot be committed"};
    }
    on_.run("COMMIT");
    is_open_ = false;
  }

 private:
  connection& on_;
  bool is_open_ = true;
};

/// Sees the database as it was at its first statement, and changes nothing.
class snapshot {
 public:
  explicit snapshot(connection& on) : on_{on} { on.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); }
  ~snapshot() {
    if (on_.is_usable()) {
      PQclear(PQexec(on_.handle(), "COMMIT"));
    }
  }
  snapshot(const snapshot&) = delete;
  snapshot& operator=(const snapshot&) = delete;

 private:
  connection& on_;
};

}  // namespace event_relay::postgres
