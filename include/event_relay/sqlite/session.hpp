// SPDX-License-Identifier: MIT
// One of the library's own connections to the database file, with the library's statements prepared on it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "event_relay/sql/session.hpp"
#include "event_relay/sqlite/driver/connection.hpp"

namespace event_relay::sqlite::detail {

/// Tables and indexes stand in the statements by their own names; only states are named.
struct no_names {
  std::optional<std::string> operator()(std::string_view) const { return std::nullopt; }
};

/// Functions that take one are found in this namespace by argument-dependent look-up, because of `no_names`.
using session = sql::session<connection, no_names>;

}  // namespace event_relay::sqlite::detail
