// SPDX-License-Identifier: MIT
// The errors of a store, one code for each cause that a host may want to tell apart. An error's text also
// holds the database's own message.
#pragma once

#include <string>
#include <system_error>

namespace event_relay {

enum class store_errc {
  busy = 1,         ///< another connection held the lock for longer than the busy timeout; retryable
  stale_snapshot,   ///< the transaction has read before another's commit and cannot write any more; it must be
                    ///< rolled back and begun anew with BEGIN IMMEDIATE
  storage_full,     ///< no space is left; retryable once there is
  read_only,        ///< the file or its folder cannot be written; retryable once it can
  input_output,     ///< the operating system failed to read or write; retryable
  cannot_open,      ///< the database cannot be opened; retryable, as it may be created later
  corrupt,          ///< the file is damaged, or is not a database
  no_transaction,   ///< append was called outside a transaction, or a handler's write ended the transaction of its
                    ///< settle
  wrong_database,   ///< the host's connection is to another database than the store's
  newer_schema,     ///< the tables were made by a later version of the library
  foreign_schema,   ///< tables of these names exist and are not the library's
  in_memory,        ///< a database in memory cannot outlive its process, nor be shared by connections
  connection_lost,  ///< the server cannot be reached, or the connection to it broke; retryable
  rejected,         ///< rejected by the database for any other reason, which is in the text
};

namespace detail {

class store_error_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "event_relay.store"; }
  std::string message(int code) const override {
    switch (static_cast<store_errc>(code)) {
      case store_errc::busy: return "the database is locked by another connection";
      case store_errc::stale_snapshot:
        return "the transaction has read before another one's commit, so it can no longer write; roll it back and "
               "start it with BEGIN IMMEDIATE";
      case store_errc::storage_full: return "no space is left for the database";
      case store_errc::read_only: return "the database cannot be written";
      case store_errc::input_output: return "the database's file cannot be read or written";
      case store_errc::cannot_open: return "the database cannot be opened";
      case store_errc::corrupt: return "the database is damaged";
      case store_errc::no_transaction: return "there is no open transaction";
      case store_errc::wrong_database: return "the connection is to another database than the store's";
      case store_errc::newer_schema: return "the outbox was made by a later version of event_relay";
      case store_errc::foreign_schema: return "tables of the outbox's names are not the outbox's";
      case store_errc::in_memory: return "the database is in memory";
      case store_errc::connection_lost: return "the connection to the database is lost";
      case store_errc::rejected: return "rejected by the database";
    }
    return "unknown";
  }
};

}  // namespace detail

inline const std::error_category& store_category() noexcept {
  static const detail::store_error_category category;
  return category;
}

inline std::error_code make_error_code(store_errc code) noexcept { return {static_cast<int>(code), store_category()}; }

/// Thrown by every operation of a store.
class store_error : public std::system_error {
 public:
  store_error(store_errc code, const std::string& text) : std::system_error{make_error_code(code), text} {}
};

/// Whether the same operation may succeed later without a change of the program.
inline bool is_retryable(const std::error_code& error) noexcept {
  return error == make_error_code(store_errc::busy) || error == make_error_code(store_errc::storage_full) ||
         error == make_error_code(store_errc::read_only) || error == make_error_code(store_errc::input_output) ||
         error == make_error_code(store_errc::cannot_open) || error == make_error_code(store_errc::connection_lost);
}

}  // namespace event_relay

template <>
struct std::is_error_code_enum<event_relay::store_errc> : std::true_type {};
