// SPDX-License-Identifier: MIT
// The row that a query stands on, and its columns, by name or by place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include "event_relay/sql/column_names.hpp"

namespace event_relay::sqlite {

/// A view, valid during the call that it is given to. A column is meant by its name in the result, as AS gives it to
/// one, or by its place, counted from 0. Throws std::out_of_range for a name that no column has.
class row {
 public:
  explicit row(sqlite3_stmt* at) : at_{at}, count_{sqlite3_column_count(at)} {}

  bool is_null(int column) const { return sqlite3_column_type(at_, column) == SQLITE_NULL; }
  std::int64_t integer(int column) const { return sqlite3_column_int64(at_, column); }
  double real(int column) const { return sqlite3_column_double(at_, column); }
  /// Empty for NULL.
  std::string_view text(int column) const {
    const auto* const start = sqlite3_column_text(at_, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(at_, column));
    return start != nullptr ? std::string_view{reinterpret_cast<const char*>(start), size} : std::string_view{};
  }
  std::optional<std::int64_t> optional_integer(int column) const {
    return is_null(column) ? std::nullopt : std::optional{integer(column)};
  }
  std::optional<std::string> optional_text(int column) const {
    return is_null(column) ? std::nullopt : std::optional{std::string{text(column)}};
  }

  bool is_null(std::string_view column) const { return is_null(place_of(column)); }
  std::int64_t integer(std::string_view column) const { return integer(place_of(column)); }
  double real(std::string_view column) const { return real(place_of(column)); }
  std::string_view text(std::string_view column) const { return text(place_of(column)); }
  std::optional<std::int64_t> optional_integer(std::string_view column) const {
    return optional_integer(place_of(column));
  }
  std::optional<std::string> optional_text(std::string_view column) const { return optional_text(place_of(column)); }

 private:
  int place_of(std::string_view column) const {
    return sql::place_of_column(column, count_, next_, [this](int place) {
      const char* const name = sqlite3_column_name(at_, place);
      return name != nullptr ? std::string_view{name} : std::string_view{};  // null without memory
    });
  }

  sqlite3_stmt* at_;
  int count_;
  mutable int next_ = 0;  // where the search for the next name begins
};

}  // namespace event_relay::sqlite
