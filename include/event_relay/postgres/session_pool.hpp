// SPDX-License-Identifier: MIT
// The library's own connections, lent to one thread at a time.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/claim_cursor.hpp"
#include "event_relay/postgres/conninfo.hpp"
#include "event_relay/postgres/session.hpp"
#include "event_relay/postgres/store_options.hpp"

namespace event_relay::postgres {

/// A session, and where its claims begin to look.
struct pooled_session {
  session on;
  claim_cursor ready = {};
  claim_cursor leased = {};
  std::uint64_t cursors_seen = 0;
};

/// Thread-safe. A connection that broke is not lent again.
class session_pool {
 public:
  session_pool(conninfo to, const store_options& options)
      : to_{std::move(to)}, options_{options}, names_{options.names} {}

  /// Given back at its end.
  class loan {
   public:
    loan(session_pool& pool, std::unique_ptr<pooled_session> lent) : pool_{&pool}, lent_{std::move(lent)} {}
    ~loan() {
      if (lent_) {
        pool_->take_back(std::move(lent_));
      }
    }
    loan(loan&& other) noexcept : pool_{other.pool_}, lent_{std::move(other.lent_)} {}
    loan& operator=(loan&&) = delete;

    session& on() const { return lent_->on; }
    pooled_session& operator*() const { return *lent_; }

   private:
    session_pool* pool_;
    std::unique_ptr<pooled_session> lent_;
  };

  /// One that is idle, or a new one; waits while all are lent. Throws store_error: `busy` if none came back in
  /// time, and what connecting throws.
  loan lend() {
    {
      std::unique_lock lock{mutex_};
      const auto may_go_on = [&] { return !idle_.empty() || lent_ < options_.max_connections; };
      if (!may_go_on() && !returned_.wait_for(lock, options_.lock_timeout, may_go_on)) {
        throw store_error{store_errc::busy, fmt::format("postgres: all {} connections of the store are in use",
                                                        options_.max_connections)};
      }
      ++lent_;
      if (!idle_.empty()) {
        std::unique_ptr<pooled_session> known = std::move(idle_.back());
        idle_.pop_back();
        return {*this, std::move(known)};
      }
    }
    try {
      return {*this, open()};
    } catch (...) {
      count_down();
      throw;
    }
  }

  /// After a failure that closed one, the idle ones are most likely broken as well.
  void drop_idle() {
    const std::lock_guard lock{mutex_};
    idle_.clear();
  }

  /// A new connection, which is not one of the pool's.
  std::unique_ptr<session> open_alone() const { return std::make_unique<session>(to_, names_); }

  const conninfo& to() const { return to_; }

 private:
  std::unique_ptr<pooled_session> open() const {
    auto opened = std::make_unique<pooled_session>(pooled_session{session{to_, names_}});
    // Plans that no ANALYZE changes: all that a statement touches has its index. Without the first, a plan that is
    // dear on paper would be compiled.
    opened->on.run(
        fmt::format("SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; "
                    "SET plan_cache_mode = force_generic_plan; SET client_encoding = 'UTF8'; "
                    "SET lock_timeout = {}",
                    options_.lock_timeout.count()));
    if (options_.on_open) {
      options_.on_open(opened->on.database());
    }
    return opened;
  }

  void take_back(std::unique_ptr<pooled_session> lent) {
    connection& used = lent->on.database();
    const bool is_sound = used.is_usable() && PQtransactionStatus(used.handle()) == PQTRANS_IDLE;
    {
      const std::lock_guard lock{mutex_};
      --lent_;
      if (is_sound) {
        idle_.push_back(std::move(lent));
      }
    }
    returned_.notify_one();
  }
  void count_down() {
    {
      const std::lock_guard lock{mutex_};
      --lent_;
    }
    returned_.notify_one();
  }

  conninfo to_;
  const store_options& options_;
  detail::name_expander names_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<pooled_session>> idle_;
  std::size_t lent_ = 0;
};

}  // namespace event_relay::postgres
