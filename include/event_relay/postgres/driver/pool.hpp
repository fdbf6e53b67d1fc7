// SPDX-License-Identifier: MIT
// Connections that are lent to one thread at a time, as many as are needed up to a limit.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/driver/connection.hpp"

namespace event_relay::postgres {

/// `Lent` is what stands on a connection, which it returns from `database()`. A connection that broke, or was left in
/// the midst of a transaction, is not lent again. Thread-safe.
template <class Lent>
class pool {
 public:
  using opener = std::function<std::unique_ptr<Lent>()>;

  /// No more than `most` are lent at a time; who finds all of them lent waits for up to `patience`.
  pool(opener open, std::size_t most, std::chrono::milliseconds patience)
      : open_{std::move(open)}, most_{most}, patience_{patience} {}

  /// Returns what was lent when it ends.
  class loan {
   public:
    loan(pool& from, std::unique_ptr<Lent> lent) : from_{&from}, lent_{std::move(lent)} {}
    ~loan() {
      if (lent_) {
        from_->take_back(std::move(lent_));
      }
    }
    loan(loan&& other) noexcept : from_{other.from_}, lent_{std::move(other.lent_)} {}
    loan& operator=(loan&&) = delete;

    Lent& operator*() const { return *lent_; }
    Lent* operator->() const { return lent_.get(); }

   private:
    pool* from_;
    std::unique_ptr<Lent> lent_;
  };

  /// One that is idle, or a new one; waits while all are lent. Throws store_error: `busy` if none was returned in
  /// time, and what opening one throws.
  loan lend() {
    {
      std::unique_lock lock{mutex_};
      const auto may_go_on = [&] { return !idle_.empty() || lent_ < most_; };
      if (!may_go_on() && !returned_.wait_for(lock, patience_, may_go_on)) {
        throw store_error{store_errc::busy, fmt::format("postgres: all {} connections of the store are in use", most_)};
      }
      ++lent_;
      if (!idle_.empty()) {
        std::unique_ptr<Lent> known = std::move(idle_.back());
        idle_.pop_back();
        return {*this, std::move(known)};
      }
    }
    try {
      return {*this, open_()};
    } catch (...) {
      count_down();
      throw;
    }
  }

  /// For when a failure has closed one: the idle ones are most likely broken as well.
  void drop_idle() {
    const std::lock_guard lock{mutex_};
    idle_.clear();
  }

 private:
  void take_back(std::unique_ptr<Lent> lent) {
    const connection& used = lent->database();
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

  opener open_;
  std::size_t most_;
  std::chrono::milliseconds patience_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Lent>> idle_;
  std::size_t lent_ = 0;
};

}  // namespace event_relay::postgres
