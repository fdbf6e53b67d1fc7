// SPDX-License-Identifier: MIT
// One row of a query's result, as the server wrote it.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <libpq-fe.h>

#include "event_relay/sql/column_names.hpp"

namespace event_relay::postgres {

/// The columns of one row: by their names, or by their places, counted from 0. A view, which is valid during the call
/// that it is given to. **Errors**: std::out_of_range for a name that no column has.
class row {
 public:
  row(const PGresult* result, int at) : result_{result}, at_{at} {}

  bool is_null(int column) const { return PQgetisnull(result_, at_, column) != 0; }
  bool is_null(std::string_view column) const { return is_null(place_of(column)); }

  /// Empty for NULL; of any type, as the server writes it.
  std::string_view text(int column) const {
    return {PQgetvalue(result_, at_, column), static_cast<std::size_t>(PQgetlength(result_, at_, column))};
  }
  std::string_view text(std::string_view column) const { return text(place_of(column)); }

  /// 0 for NULL and for what is no whole number; 1 for a true boolean.
  std::int64_t integer(int column) const {
    const std::string_view digits = text(column);
    if (digits == "t") {
      return 1;
    }
    std::int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  }
  std::int64_t integer(std::string_view column) const { return integer(place_of(column)); }

  std::optional<std::int64_t> optional_integer(int column) const {
    return is_null(column) ? std::nullopt : std::optional{integer(column)};
  }
  std::optional<std::int64_t> optional_integer(std::string_view column) const {
    return optional_integer(place_of(column));
  }

  std::optional<std::string> optional_text(int column) const {
    return is_null(column) ? std::nullopt : std::optional{std::string{text(column)}};
  }
  std::optional<std::string> optional_text(std::string_view column) const { return optional_text(place_of(column)); }

 private:
  // PQfnumber would fold the name to lower case, and search from the first column each time.
  int place_of(std::string_view column) const {
    return sql::place_of_column(column, PQnfields(result_), next_, [&](int place) { return PQfname(result_, place); });
  }

  const PGresult* result_;
  int at_;
  mutable int next_ = 0;
};

}  // namespace event_relay::postgres
