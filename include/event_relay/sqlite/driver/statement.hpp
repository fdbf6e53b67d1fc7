// SPDX-License-Identifier: MIT
// A prepared statement, thinly: typed parameters in, typed columns out, and reset whatever happens.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "event_relay/sqlite/driver/error.hpp"

namespace event_relay::sqlite {

/// The columns of the row that a query stands on, counted from 0. A view, valid during the call.
class row {
 public:
  explicit row(sqlite3_stmt* at) : at_{at} {}

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

 private:
  sqlite3_stmt* at_;
};

/// What a parameter may be: a number, a text, an optional of either, or nullptr for NULL.
template <class Type>
concept parameter = std::integral<Type> || std::floating_point<Type> ||
    std::convertible_to<const Type&, std::string_view> || std::same_as<Type, std::nullptr_t> ||
    requires(const Type& optional) {
  *optional;
  optional.has_value();
};

/// Of one connection, and used by one thread at a time. **Errors**: `store_error`.
class statement {
 public:
  statement(sqlite3* database, std::string_view sql) : database_{database} {
    std::string_view rest = sql;
    prepared_ = prepare(rest);
    if (!prepared_) {
      throw store_error{store_errc::rejected, fmt::format("sqlite: \"{}\" is no statement", sql)};
    }
    if (!rest.empty() && prepare(rest)) {  // white space and comments make none
      throw store_error{store_errc::rejected, fmt::format("sqlite: \"{}\" is more than one statement", sql)};
    }
  }

  /// Runs it to its end. `parameters` take the places of the "?" in order.
  template <parameter... Parameters>
  void execute(const Parameters&... parameters) {
    query([](const row&) {}, parameters...);
  }

  /// Runs it to its end, calling `visit(row)` for each row.
  template <class Visit, parameter... Parameters>
  void query(Visit&& visit, const Parameters&... parameters) {
    if (sqlite3_bind_parameter_count(prepared_.get()) != sizeof...(parameters)) {
      throw std::invalid_argument(
          fmt::format("sqlite: {} parameters for \"{}\"", sizeof...(parameters), sqlite3_sql(prepared_.get())));
    }
    const reset_at_end reset{prepared_.get()};
    int position = 0;
    (bind(++position, parameters), ...);
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(prepared_.get())) == SQLITE_ROW) {
      visit(row{prepared_.get()});
    }
    if (code != SQLITE_DONE) {
      throw_error(database_, code, fmt::format("running \"{}\"", sqlite3_sql(prepared_.get())));
    }
  }

 private:
  struct reset_at_end {
    sqlite3_stmt* prepared;
    ~reset_at_end() { sqlite3_reset(prepared); }  // its code is the step's, which was looked at
  };
  struct finalize {
    void operator()(sqlite3_stmt* prepared) const { sqlite3_finalize(prepared); }
  };

  using owned = std::unique_ptr<sqlite3_stmt, finalize>;

  // The first statement of `sql`, which is left with what comes after it.
  owned prepare(std::string_view& sql) const {
    sqlite3_stmt* prepared = nullptr;
    const char* rest = nullptr;
    const int code = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                        &prepared, &rest);
    if (code != SQLITE_OK) {
      throw_error(database_, code, fmt::format("preparing \"{}\"", sql));
    }
    sql.remove_prefix(static_cast<std::size_t>(rest - sql.data()));
    return owned{prepared};
  }

  template <parameter Parameter>
  void bind(int position, const Parameter& value) {
    if constexpr (std::same_as<Parameter, std::nullptr_t>) {
      check(sqlite3_bind_null(prepared_.get(), position), position);
    } else if constexpr (std::same_as<Parameter, bool>) {
      check(sqlite3_bind_int(prepared_.get(), position, value ? 1 : 0), position);
    } else if constexpr (std::floating_point<Parameter>) {
      check(sqlite3_bind_double(prepared_.get(), position, value), position);
    } else if constexpr (std::integral<Parameter>) {
      if (!std::in_range<std::int64_t>(value)) {
        throw std::invalid_argument(
            fmt::format("sqlite: parameter {} is {}, beyond 64 bits with a sign", position, value));
      }
      check(sqlite3_bind_int64(prepared_.get(), position, static_cast<std::int64_t>(value)), position);
    } else if constexpr (std::convertible_to<const Parameter&, std::string_view>) {
      const std::string_view text{value};
      // Static: the text outlives the step, and so the binding's use. A null pointer would be NULL.
      check(sqlite3_bind_text64(prepared_.get(), position, text.data() != nullptr ? text.data() : "", text.size(),
                                SQLITE_STATIC, SQLITE_UTF8),
            position);
    } else if (value.has_value()) {
      bind(position, *value);
    } else {
      bind(position, nullptr);
    }
  }

  void check(int code, int position) {
    if (code != SQLITE_OK) {
      throw_error(database_, code,
                  fmt::format("binding parameter {} of \"{}\"", position, sqlite3_sql(prepared_.get())));
    }
  }

  sqlite3* database_;
  owned prepared_;
};

}  // namespace event_relay::sqlite
