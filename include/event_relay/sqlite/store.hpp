// SPDX-License-Identifier: MIT
// The outbox in an SQLite file, beside the host's own tables. One connection writes for the library; the
// batches of all threads meet there.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/core/clock.hpp"
#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/queue_metrics.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/outbox/store.hpp"
#include "event_relay/outbox/store_error.hpp"
#include "event_relay/outbox/wake_signal.hpp"
#include "event_relay/sqlite/appending.hpp"
#include "event_relay/sqlite/claims.hpp"
#include "event_relay/sqlite/dead_letter_rows.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/database_file.hpp"
#include "event_relay/sqlite/driver/process_check.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "event_relay/sqlite/event_rows.hpp"
#include "event_relay/sqlite/exchange.hpp"
#include "event_relay/sqlite/host_connections.hpp"
#include "event_relay/sqlite/lease_rows.hpp"
#include "event_relay/sqlite/metrics_rows.hpp"
#include "event_relay/sqlite/retention.hpp"
#include "event_relay/sqlite/schema.hpp"
#include "event_relay/sqlite/store_options.hpp"

namespace event_relay::sqlite {

/// An `event_store` in the database file `path`, which is put into WAL mode, as SQLite keeps it from then on.
/// Tables whose names begin with event_relay_ are its own. **Time** is its clock's, for all processes that
/// share the file; they are on one machine, as WAL demands. Thread-safe but for `append`.
template <clock Clock = system_clock>
class store {
 public:
  /// What `append` needs: the host's own connection, in a transaction.
  using host_connection = sqlite3*;
  /// What a handler's writes are given: the library's own connection, inside settle's transaction, which
  /// they must neither end nor begin anew.
  using transaction = connection;

  /// Opens or makes the file and brings its tables to this version. Throws store_error; in_memory for a
  /// path that names no file. Throws std::invalid_argument for an option out of its range.
  explicit store(const std::string& path, store_options options = {}, Clock clock = Clock{})
      : options_{std::move(options)},
        clock_{std::move(clock)},
        database_{detail::require_file(path), options_.busy_timeout},
        reader_{path, options_.busy_timeout},
        operators_{path, options_.busy_timeout} {
    detail::require_valid(options_);
    detail::enter_wal_mode(database_, path);
    detail::require_writable(database_, path);
    database_.execute(options_.durability == synchronous::full ? "PRAGMA synchronous = FULL"
                                                               : "PRAGMA synchronous = NORMAL");
    migrate(database_);
    if (options_.on_open) {
      options_.on_open(database_);
      options_.on_open(reader_);
      options_.on_open(operators_);
    }
    file_ = sqlite3_db_filename(database_.handle(), "main");
    hosts_ = std::make_shared<host_connections>(file_, signal_);
  }

  /// In the transaction that is open on `host`. Throws store_error besides: no_transaction if none is,
  /// stale_snapshot if it has read before another's commit and so cannot write, wrong_database. SQLite itself
  /// rolls the transaction back when the disk is full or fails. `changes()` of the connection is the
  /// append's afterwards; `last_insert_rowid()` is as it was.
  std::vector<append_status> append(sqlite3* host, std::span<const event_record> records) {
    return detail::append(*hosts_, host, records, clock_.now());
  }

  exchange_result exchange(std::span<const settlement<transaction>> settlements, const claim_request& request) {
    if (!request.limits_by_name.empty()) {
      have_name_index();
    }
    exchange_result ahead;
    if (settlements.empty() && !has_claimable(ahead, request)) {
      return ahead;
    }
    const std::lock_guard lock{mutex_};
    exchange_result result = detail::exchange(database_, settlements, request, options_, clock_);
    if (leaves_work(settlements, result, request)) {
      signal_->wake();
    }
    return result;
  }

  std::vector<bool> renew(std::span<const lease> leases, std::chrono::milliseconds length) {
    const std::lock_guard lock{mutex_};
    immediate_transaction all{database_};
    auto renewed = detail::renew(database_, leases, saturating_add(clock_.now(), length));
    all.commit();
    return renewed;
  }

  std::size_t release(std::span<const lease> leases) {
    const std::lock_guard lock{mutex_};
    immediate_transaction all{database_};
    const std::size_t released = detail::release(database_, leases);
    all.commit();
    signal_->wake();
    return released;
  }

  std::optional<stored_event> find(std::string_view id) {
    const std::lock_guard lock{operators_mutex_};
    const read_transaction one_instant{operators_};
    return detail::find(operators_, id);
  }

  dead_letter_page dead_letters(const dead_letter_filter& filter, const std::optional<dead_letter_cursor>& after,
                                std::size_t limit) {
    const std::lock_guard lock{operators_mutex_};
    const read_transaction one_instant{operators_};
    return detail::read_page(operators_, filter, after, limit);
  }

  std::vector<bool> redrive(std::span<const redrive_request> requests) {
    std::vector<bool> redriven;
    {
      const std::lock_guard lock{mutex_};
      immediate_transaction all{database_};
      for (const redrive_request& each : requests) {
        redriven.push_back(detail::redrive(database_, each));
      }
      all.commit();
    }
    signal_->wake();
    return redriven;
  }

  std::size_t purge(std::span<const std::string> ids) { return purge(event_relay::detail::purge_requests(ids)); }
  std::size_t purge(std::span<const purge_request> requests) {
    std::size_t purged = 0;
    {
      const std::lock_guard lock{mutex_};
      immediate_transaction all{database_};
      for (const purge_request& each : requests) {
        purged += detail::purge(database_, each) ? 1 : 0;
      }
      all.commit();
    }
    signal_->wake();
    return purged;
  }

  queue_metrics metrics() {
    const std::lock_guard lock{operators_mutex_};
    const read_transaction one_instant{operators_};
    return detail::read_metrics(operators_, clock_.now());
  }

  bool maintain(std::size_t limit) {
    if (!needs_maintenance()) {
      return false;
    }
    const std::lock_guard lock{mutex_};
    immediate_transaction all{database_};
    detail::swept swept = detail::sweep(database_, swept_to_, limit);
    const bool may_find_more = detail::delete_kept(database_, clock_.now(), limit);
    all.commit();
    swept_to_ = std::move(swept.to);
    if (swept.freed) {
      signal_->wake();
    }
    return may_find_more;
  }

  bool has_unfinished() {
    const std::lock_guard lock{reader_mutex_};
    return reader_.integer("SELECT EXISTS (SELECT 1 FROM " EVENT_RELAY_READY
                           ") "
                           "OR EXISTS (SELECT 1 FROM " EVENT_RELAY_LEASED
                           ") "
                           "OR EXISTS (SELECT 1 FROM " EVENT_RELAY_ORPHANS ")",
                           0) != 0;
  }

  /// Of the file, absolute.
  std::string path() const { return file_.string(); }
  instant now() const { return clock_.now(); }
  wake_signal& signal() const { return *signal_; }

  /// For a commit that this process does not see: another's.
  void wake() const { signal_->wake(); }

  /// Said once, if this SQLite library may damage a file in WAL mode that several processes share
  /// (https://sqlite.org/wal.html, "the WAL-reset bug") and another process has this file open.
  std::optional<std::string> warning() {
    const std::lock_guard lock{reader_mutex_};
    if (has_warned_ || !has_wal_reset_fault(sqlite3_libversion_number()) || !is_shared_with_other_process(file_)) {
      return std::nullopt;
    }
    has_warned_ = true;
    return fmt::format("SQLite {} can lose commits of a file that several processes write, as {} is; 3.51.3 mends that",
                       sqlite3_libversion(), file_.string());
  }

 private:
  // Whether there is anything to maintain; takes no lock that a writer waits for.
  bool needs_maintenance() {
    const std::lock_guard lock{reader_mutex_};
    return reader_.integer("SELECT EXISTS (SELECT 1 FROM " EVENT_RELAY_BLOCKED
                           ") "
                           "OR EXISTS (SELECT 1 FROM " EVENT_RELAY_KEPT " AND kept_until <= ?)",
                           0, detail::integer_of(clock_.now())) != 0;
  }

  // Made once; afterwards an idle worker need not wait here for one that writes.
  void have_name_index() {
    if (has_name_index_) {
      return;
    }
    const std::lock_guard lock{mutex_};
    if (!has_name_index_) {
      immediate_transaction all{database_};
      detail::make_name_index(database_);
      all.commit();
      has_name_index_ = true;
    }
  }

  // A look that needs no write lock, so that idle workers hold up nobody.
  bool has_claimable(exchange_result& result, const claim_request& request) {
    if (request.limit > 0) {
      const std::lock_guard lock{reader_mutex_};
      const read_transaction one_instant{reader_};
      detail::look_ahead(reader_, result, request);
    }
    return (result.next_due && *result.next_due <= clock_.now()) ||
           (request.kind == claim_kind::orphan && result.orphans_waiting);
  }

  store_options options_;
  Clock clock_;
  std::mutex mutex_;  // of the connection that writes
  connection database_;
  std::mutex reader_mutex_;  // of the one that looks, which a host's transaction never keeps waiting
  connection reader_;
  std::mutex operators_mutex_;  // of the one for operators, whose looks may take long and keep no worker waiting
  connection operators_;
  std::filesystem::path file_;
  std::shared_ptr<wake_signal> signal_ = std::make_shared<wake_signal>();
  std::shared_ptr<host_connections> hosts_;
  std::string swept_to_;
  std::atomic<bool> has_name_index_ = false;
  bool has_warned_ = false;
};

}  // namespace event_relay::sqlite
