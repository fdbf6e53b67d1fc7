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
#include "event_relay/sql/rows.hpp"
#include "event_relay/sql/store_operations.hpp"
#include "event_relay/sqlite/append.hpp"
#include "event_relay/sqlite/commit_hook.hpp"
#include "event_relay/sqlite/dead_letters.hpp"
#include "event_relay/sqlite/driver/connection.hpp"
#include "event_relay/sqlite/driver/database_file.hpp"
#include "event_relay/sqlite/driver/process_check.hpp"
#include "event_relay/sqlite/driver/transaction.hpp"
#include "event_relay/sqlite/exchange.hpp"
#include "event_relay/sqlite/find_event.hpp"
#include "event_relay/sqlite/leases.hpp"
#include "event_relay/sqlite/maintenance.hpp"
#include "event_relay/sqlite/metrics.hpp"
#include "event_relay/sqlite/scan.hpp"
#include "event_relay/sqlite/schema.hpp"
#include "event_relay/sqlite/session.hpp"
#include "event_relay/sqlite/statements.hpp"
#include "event_relay/sqlite/store_options.hpp"

namespace event_relay::sqlite {

/// An `event_store` in the database file `path`, which is put into WAL mode, as SQLite keeps it from then on.
/// Tables whose names begin with event_relay_ are its own. **Time** is its clock's, for all processes that
/// share the file; they are on one machine, as WAL demands. Thread-safe but for `append`.
template <clock Clock = system_clock>
class store : public sql::store_operations<store<Clock>> {
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
        writer_{connection{detail::require_file(path), options_.busy_timeout}, {}},
        reader_{connection{path, options_.busy_timeout}, {}},
        operators_{connection{path, options_.busy_timeout}, {}} {
    detail::require_valid(options_);
    connection& database = writer_.database();
    detail::enter_wal_mode(database, path);
    detail::require_writable(database, path);
    database.execute(options_.durability == synchronous::full ? "PRAGMA synchronous = FULL"
                                                              : "PRAGMA synchronous = NORMAL");
    migrate(database);
    if (options_.on_open) {
      for (session* const each : {&writer_, &reader_, &operators_}) {
        options_.on_open(each->database());
      }
    }
    file_ = sqlite3_db_filename(database.handle(), "main");
    hooks_ = std::make_shared<commit_hooks>(file_, signal_);
  }

  /// In the transaction that is open on `host`. Throws store_error besides: no_transaction if none is,
  /// stale_snapshot if it has read before another's commit and so cannot write, wrong_database. SQLite itself
  /// rolls the transaction back when the disk is full or fails. `changes()` of the connection is the
  /// append's afterwards; `last_insert_rowid()` is as it was.
  std::vector<append_status> append(sqlite3* host, std::span<const event_record> records) {
    return detail::append(*hooks_, host, records, clock_.now());
  }

  exchange_result exchange(std::span<const settlement<transaction>> settlements, const claim_request& request) {
    if (!request.limits_by_name.empty()) {
      have_name_index();
    }
    exchange_result ahead;
    if (settlements.empty() && !has_claimable(ahead, request)) {
      return ahead;
    }
    const std::lock_guard lock{writer_mutex_};
    exchange_result result = detail::exchange(writer_, settlements, request, options_, clock_);
    if (leaves_work(settlements, result, request)) {
      signal_->wake();
    }
    return result;
  }

  std::vector<bool> renew(std::span<const lease> leases, std::chrono::milliseconds length) {
    return in_transaction([&](session& on) { return detail::renew(on, leases, saturating_add(time(), length)); });
  }

  std::size_t release(std::span<const lease> leases) {
    const std::size_t released = in_transaction([&](session& on) { return detail::release(on, leases); });
    signal_->wake();
    return released;
  }

  bool maintain(std::size_t limit) {
    if (!needs_maintenance()) {
      return false;
    }
    const auto done = this->maintain_once(limit);
    if (done.has_freed_keys) {
      signal_->wake();
    }
    return done.may_find_more;
  }

  bool has_unfinished() {
    const std::lock_guard lock{reader_mutex_};
    return reader_.integer(detail::statements::has_unfinished, 0) != 0;
  }

  /// Of the file, absolute.
  std::string path() const { return file_.string(); }
  instant now() const { return clock_.now(); }
  wake_signal& signal() const { return *signal_; }

  /// For a commit of another process, which this one does not see.
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
  friend sql::store_operations<store>;
  using session = detail::session;

  // It takes no lock that a writer waits for.
  bool needs_maintenance() {
    const std::lock_guard lock{reader_mutex_};
    return reader_.integer(detail::statements::needs_maintenance, 0, sql::integer_of(time())) != 0;
  }

  // The index is made once; after that an idle worker need not wait here for one that writes.
  void have_name_index() {
    if (has_name_index_) {
      return;
    }
    in_transaction([&](session& on) {
      on.execute(detail::statements::create_name_index);
      return true;
    });
    has_name_index_ = true;
  }

  // It needs no write lock, so that idle workers hold up nobody.
  bool has_claimable(exchange_result& result, const claim_request& request) {
    if (request.limit > 0) {
      const std::lock_guard lock{reader_mutex_};
      const read_transaction one_instant{reader_.database()};
      detail::scan(reader_, result, request);
    }
    return (result.next_due && *result.next_due <= time()) ||
           (request.kind == claim_kind::orphan && result.orphans_waiting);
  }

  template <class Body>
  auto in_transaction(Body body) {
    const std::lock_guard lock{writer_mutex_};
    immediate_transaction all{writer_.database()};
    auto result = body(writer_);
    all.commit();
    return result;
  }

  template <class Body>
  auto at_one_instant(Body body) {
    const std::lock_guard lock{operators_mutex_};
    const read_transaction one_instant{operators_.database()};
    return body(operators_);
  }

  instant time() const { return clock_.now(); }
  void has_redriven() {}

  store_options options_;
  Clock clock_;
  std::mutex writer_mutex_;
  session writer_;
  std::mutex reader_mutex_;
  session reader_;  // for scans, which a host's transaction never keeps waiting
  std::mutex operators_mutex_;
  session operators_;  // for operators, whose reads may take long and keep no worker waiting
  std::filesystem::path file_;
  std::shared_ptr<wake_signal> signal_ = std::make_shared<wake_signal>();
  std::shared_ptr<commit_hooks> hooks_;
  std::atomic<bool> has_name_index_ = false;
  bool has_warned_ = false;
};

}  // namespace event_relay::sqlite
