// SPDX-License-Identifier: MIT
// The outbox in a PostgreSQL database, beside the host's own tables, for any number of processes on any number of
// machines: all of them append, all of them work, and the server sees to it that no two have the same event.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "event_relay/core/clock.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/store.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/outbox/wake_signal.hpp"
#include "event_relay/postgres/append.hpp"
#include "event_relay/postgres/commit_hook.hpp"
#include "event_relay/postgres/dead_letters.hpp"
#include "event_relay/postgres/driver/connection.hpp"
#include "event_relay/postgres/driver/conninfo.hpp"
#include "event_relay/postgres/driver/server_clock.hpp"
#include "event_relay/postgres/driver/transaction.hpp"
#include "event_relay/postgres/exchange.hpp"
#include "event_relay/postgres/find_event.hpp"
#include "event_relay/postgres/in_doubt_commits.hpp"
#include "event_relay/postgres/leases.hpp"
#include "event_relay/postgres/listener.hpp"
#include "event_relay/postgres/metrics.hpp"
#include "event_relay/postgres/pooled_session.hpp"
#include "event_relay/postgres/retention.hpp"
#include "event_relay/postgres/schema.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/statements.hpp"
#include "event_relay/postgres/store_options.hpp"
#include "event_relay/sql/migrations.hpp"
#include "event_relay/sql/rows.hpp"
#include "event_relay/sql/store_operations.hpp"

namespace event_relay::postgres {

/// An `event_store` in the database that `conninfo` names. **Time** is the server's (`clock_timestamp()`), for all
/// processes; a test may give it a clock, whose time then takes the server's place in every statement.
/// **Connections** are the library's own, opened when needed and made anew when they break: an operation that finds
/// one broken throws `connection_lost`, which is retryable, and the next one connects. Thread-safe but for `append`.
template <clock Clock = server_clock>
class store : public sql::store_operations<store<Clock>> {
 public:
  /// What `append` needs: the host's own connection, in a transaction.
  using host_connection = PGconn*;
  /// What a handler's writes are given: one of the library's own connections, inside settle's transaction,
  /// which they must neither end nor begin anew.
  using transaction = connection;

  /// Connects, and makes the outbox's tables or brings them to this version. Throws store_error: cannot_open if the
  /// server cannot be reached, newer_schema, foreign_schema. Throws std::invalid_argument for an option out of its
  /// range or a connection string that cannot be read.
  explicit store(const std::string& conninfo_text, store_options options = {}, Clock clock = Clock{})
      : to_{conninfo_text},
        options_{checked(std::move(options), to_)},
        clock_{std::move(clock)},
        pool_{[this] { return detail::open_session(to_, options_); }, options_.max_connections, options_.lock_timeout} {
    const auto lent = pool_.lend();
    session& on = lent->on;
    detail::tables tables{on};
    sql::migrate(tables, detail::all_migrations);
    std::string id;
    on.query(
        detail::statements::read_outbox,
        [&](const row& at) {
          id = at.text("id");
          detail::sync(clock_, sql::instant_of(at, "now"));
        },
        time());
    if (options_.hints == wake_ups::notify) {
      const auto open = [this] { return std::make_unique<connection>(to_); };
      listener_ = std::make_shared<listener>("event_relay_" + id, open, signal_);
    }
    const auto with_names = [&](const sql::statement& what) { return sql::expanded(what.text, on.names()); };
    host_side_ = {.insert_events = with_names(detail::statements::insert_events),
                  .insert_plain_events = with_names(detail::statements::insert_plain_events),
                  .read_outbox_id = with_names(detail::statements::read_outbox_id),
                  .outbox_table = *on.names()("outbox"),
                  .id = id,
                  .committed = std::make_shared<const commit_hook::committed_function>(
                      [signal = signal_, others = std::weak_ptr{listener_}] { wake(*signal, others.lock()); })};
  }

  /// In the transaction that is open on `host`, whose isolation may be any. Throws store_error besides: no_transaction
  /// if none is, wrong_database for a connection to another one, rejected for one in pipeline mode or that does not
  /// speak UTF-8. An error of the server itself leaves the host's transaction failed, as any statement's does.
  std::vector<append_status> append(PGconn* host, std::span<const event_record> records) {
    return detail::append(host_side_, host, records, time());
  }

  exchange_result exchange(std::span<const settlement<transaction>> settlements, const claim_request& request) {
    if (settlements.empty() && request.limit == 0) {
      return {};
    }
    exchange_result result = on_a_session([&](detail::pooled_session& lent) {
      in_doubt_.resolve(lent.on);
      if (settlements.empty()) {
        if (auto claimed = still_held(lent.on, in_doubt_.take_claimed(request.kind, request.limit), request.length);
            !claimed.empty()) {
          return exchange_result{.settled = {}, .claimed = std::move(claimed), .orphans_waiting = false};
        }
      }
      if (const std::uint64_t changed = cursors_changed_.load(); lent.cursors_seen != changed) {
        lent.cursors_seen = changed;
        lent.ready.reset();
        lent.leased.reset();
      }
      return detail::exchange_step<Clock>{lent, options_, clock_, in_doubt_}.take(settlements, request);
    });
    if (leaves_work(settlements, result, request)) {
      signal_->wake();
    }
    return result;
  }

  std::vector<bool> renew(std::span<const lease> leases, std::chrono::milliseconds length) {
    ++cursors_changed_;
    return in_transaction([&](session& on) { return detail::renew_leases(on, time(), leases, length); });
  }

  std::size_t release(std::span<const lease> leases) {
    const std::size_t released = in_transaction([&](session& on) { return detail::release_leases(on, leases); });
    ++cursors_changed_;
    signal_->wake();
    return released;
  }

  bool maintain(std::size_t limit) {
    const auto done = this->maintain_once(limit);
    if (done.has_freed_keys) {
      signal_->wake();
    }
    return done.may_find_more;
  }

  bool has_unfinished() {
    return on_a_session(
        [](detail::pooled_session& lent) { return lent.on.integer(detail::statements::has_unfinished, 0) != 0; });
  }

  instant now() const { return clock_.now(); }
  wake_signal& signal() const { return *signal_; }

  /// For a commit that neither this process nor the others can see.
  void wake() const { wake(*signal_, listener_); }

  /// Where it is, for logs: host, port, database, user, and never a password.
  const std::string& shown() const { return to_.shown(); }
  const outbox_names& names() const { return options_.names; }
  /// How often the connection that listens was made; 0 where there is none.
  std::uint64_t listening_connections() const { return listener_ ? listener_->connections() : 0; }

  /// Never anything: what an operator should know, the server says itself.
  std::optional<std::string> warning() { return std::nullopt; }

 private:
  friend sql::store_operations<store>;
  using session = detail::session;

  static void wake(wake_signal& signal, const std::shared_ptr<listener>& others) {
    signal.wake();
    if (others) {
      others->tell_others();
    }
  }

  // The schema's name is fixed here, so that no later search_path can lead elsewhere.
  static store_options checked(store_options options, const conninfo& to) {
    detail::require_valid(options);
    connection first{to};
    if (PQserverVersion(first.handle()) < 130'000) {
      throw store_error{store_errc::rejected, fmt::format("postgres: the server is version {}, must be 13 or later",
                                                          PQserverVersion(first.handle()) / 10'000)};
    }
    if (options.names.schema.empty()) {
      if (options.on_open) {
        options.on_open(first);
      }
      first.query(detail::statements::read_search_path.text,
                  [&](const row& at) { options.names.schema = at.text("schema"); });
      if (options.names.schema.empty()) {
        throw store_error{store_errc::rejected, "postgres: the search_path leads to no schema; name one"};
      }
    }
    return options;
  }

  // Of events that were claimed by a commit in doubt, those whose leases nobody else has by now. Their leases have run
  // since that claim, and begin anew, as whoever is given the events takes them for claimed just now.
  std::vector<claimed_event> still_held(session& on, std::vector<claimed_event> claimed,
                                        std::chrono::milliseconds length) {
    if (claimed.empty()) {
      return claimed;
    }
    std::vector<lease> leases;
    leases.reserve(claimed.size());
    for (const claimed_event& each : claimed) {
      leases.push_back(each.held);
    }
    const std::vector<bool> is_held = detail::with_tries([&] {
      postgres::transaction all{on.database()};
      auto renewed = detail::renew_leases(on, time(), leases, length);
      all.commit();
      return renewed;
    });
    std::vector<claimed_event> held;
    for (std::size_t at = 0; at < claimed.size(); ++at) {
      if (is_held[at]) {
        held.push_back(std::move(claimed[at]));
      }
    }
    return held;
  }

  template <class Body>
  auto on_a_session(Body body) {
    const auto lent = pool_.lend();
    try {
      return body(*lent);
    } catch (const store_error&) {
      if (!lent->database().is_usable()) {
        pool_.drop_idle();
      }
      throw;
    }
  }

  template <class Body>
  auto in_transaction(Body body) {
    return on_a_session([&](detail::pooled_session& lent) {
      return detail::with_tries([&] {
        postgres::transaction all{lent.database()};
        auto result = body(lent.on);
        all.commit();
        return result;
      });
    });
  }

  template <class Body>
  auto at_one_instant(Body body) {
    return on_a_session([&](detail::pooled_session& lent) {
      const snapshot one_instant{lent.database()};
      return body(lent.on);
    });
  }

  detail::clock_override time() { return detail::clock_override_of(clock_); }
  void has_redriven() { ++cursors_changed_; }

  conninfo to_;
  store_options options_;
  Clock clock_;
  detail::session_pool pool_;
  std::shared_ptr<wake_signal> signal_ = std::make_shared<wake_signal>();
  detail::in_doubt_commits in_doubt_;
  detail::host_side host_side_;
  std::atomic<std::uint64_t> cursors_changed_{0};  // events or leases have come to be where cursors have passed
  std::shared_ptr<listener> listener_;             // its thread refers to `to_`, and ends first
};

}  // namespace event_relay::postgres
