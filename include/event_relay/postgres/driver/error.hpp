// SPDX-License-Identifier: MIT
// How the errors of libpq and of the server become errors of a store, with the text of the server and without
// passwords.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "event_relay/outbox/store_error.hpp"

namespace event_relay::postgres {

/// The cause that an SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html) stands for.
constexpr store_errc cause_of(std::string_view sqlstate) {
  if (sqlstate.starts_with("08") || sqlstate == "57P01" || sqlstate == "57P02" || sqlstate == "57P03") {
    return store_errc::connection_lost;
  }
  if (sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "55P03" || sqlstate == "53300") {
    return store_errc::busy;
  }
  if (sqlstate == "53100") {
    return store_errc::storage_full;
  }
  if (sqlstate == "25006") {
    return store_errc::read_only;
  }
  if (sqlstate.starts_with("58")) {
    return store_errc::input_output;
  }
  if (sqlstate.starts_with("XX")) {
    return store_errc::corrupt;
  }
  return store_errc::rejected;
}

/// A `store_error` that knows what the server called it.
class error : public store_error {
 public:
  error(store_errc code, const std::string& said, std::string sqlstate = {})
      : store_error{code, said}, sqlstate_{std::move(sqlstate)} {}

  /// Empty where it is not the server's.
  const std::string& sqlstate() const { return sqlstate_; }

 private:
  std::string sqlstate_;
};

namespace detail {

struct free_result {
  void operator()(PGresult* result) const { PQclear(result); }
};
using owned_result = std::unique_ptr<PGresult, free_result>;

inline std::string_view trimmed(std::string_view text) {
  const auto end = text.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view{} : text.substr(0, end + 1);
}

}  // namespace detail

/// Throws what `result`, or without one `on`, says is wrong; `doing` says in which step.
[[noreturn]] inline void throw_error(const PGconn* on, const PGresult* result, std::string_view doing) {
  const char* const state = result != nullptr ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
  const std::string sqlstate = state != nullptr ? state : "";
  // An error without an SQLSTATE is libpq's own. After a write to the socket that failed, the connection's status is
  // still good.
  const bool is_lost = PQstatus(on) == CONNECTION_BAD || state == nullptr;
  const std::string_view said = detail::trimmed(result != nullptr ? PQresultErrorMessage(result) : PQerrorMessage(on));
  throw error{is_lost ? store_errc::connection_lost : cause_of(sqlstate),
              fmt::format("postgres, {}: {}{}", doing, said,
                          sqlstate.empty() ? std::string{} : fmt::format(" (SQLSTATE {})", sqlstate)),
              sqlstate};
}

}  // namespace event_relay::postgres
