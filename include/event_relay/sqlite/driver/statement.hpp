// SPDX-License-Identifier: MIT
// A prepared statement: typed parameters go in, rows come out, and it is reset whatever happens.
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
#include "event_relay/sqlite/driver/row.hpp"

namespace event_relay::sqlite {

/// What a parameter may be: a number, a text, an optional of either, or nullptr for NULL.
template <class Type>
concept parameter = std::integral<Type> || std::floating_point<Type> ||
    std::convertible_to<const Type&, std::string_view> || std::same_as<Type, std::nullptr_t> ||
    requires(const Type& optional) {
  *optional;
  optional.has_value();
};

namespace detail {

// For errors: the text without its line breaks and indentation.
inline std::string in_one_line(std::string_view sql) {
  std::string line;
  for (const char each : sql) {
    const bool is_space = each == ' ' || each == '\n' || each == '\t' || each == '\r';
    if (!is_space) {
      line += each;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  if (line.ends_with(' ')) {
    line.pop_back();
  }
  return line;
}

}  // namespace detail

/// It belongs to one connection, and is used by one thread at a time. **Errors**: `store_error`, with the statement's
/// text, and its name if it was given one.
class statement {
 public:
  statement(sqlite3* database, std::string_view sql, std::string_view name = {}) : database_{database}, name_{name} {
    std::string_view rest = sql;
    prepared_ = prepare(rest);
    if (!prepared_) {
      throw store_error{store_errc::rejected, fmt::format("sqlite: {} is no statement", shown(sql))};
    }
    if (!rest.empty() && prepare(rest)) {  // white space and comments make none
      throw store_error{store_errc::rejected, fmt::format("sqlite: {} is more than one statement", shown(sql))};
    }
  }

  /// For what it does not offer. It must be reset after use.
  sqlite3_stmt* handle() const { return prepared_.get(); }

  /// Runs it to its end. `parameters` take the places of the "?", or of ?1, ?2 and so on.
  template <parameter... Parameters>
  void execute(const Parameters&... parameters) {
    query([](const row&) {}, parameters...);
  }

  /// Runs it to its end, calling `visit(row)` for each row.
  template <class Visit, parameter... Parameters>
  void query(Visit&& visit, const Parameters&... parameters) {
    if (sqlite3_bind_parameter_count(prepared_.get()) != sizeof...(parameters)) {
      throw std::invalid_argument(fmt::format("sqlite: {} parameters for {}", sizeof...(parameters), shown()));
    }
    const reset_at_end reset{prepared_.get()};
    int position = 0;
    (bind(++position, parameters), ...);
    int code = sqlite3_step(prepared_.get());
    if (code == SQLITE_ROW) {
      const row at{prepared_.get()};  // one for all, as it remembers where names were found
      do {
        visit(at);
        code = sqlite3_step(prepared_.get());
      } while (code == SQLITE_ROW);
    }
    if (code != SQLITE_DONE) {
      throw_error(database_, code, fmt::format("running {}", shown()));
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
      throw_error(database_, code, fmt::format("preparing {}", shown(sql)));
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
      throw_error(database_, code, fmt::format("binding parameter {} of {}", position, shown()));
    }
  }

  std::string shown() const { return shown(sqlite3_sql(prepared_.get())); }
  std::string shown(std::string_view sql) const {
    const std::string text = detail::in_one_line(sql);
    return name_.empty() ? fmt::format("\"{}\"", text) : fmt::format("{}, \"{}\"", name_, text);
  }

  sqlite3* database_;
  std::string name_;
  owned prepared_;
};

}  // namespace event_relay::sqlite
