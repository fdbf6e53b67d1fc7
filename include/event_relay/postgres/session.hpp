// SPDX-License-Identifier: MIT
// One of the library's own connections, and the names that an outbox has in its database: its statements are
// written with {events} and the like, and get the names when they are first run.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "event_relay/postgres/driver/connection.hpp"

namespace event_relay::postgres {

/// Where an outbox is in its database: several may share one.
struct outbox_names {
  /// It must be there; empty: the first of the connection's search_path.
  std::string schema = {};
  /// Of the names of the outbox's tables, sequence and indexes.
  std::string prefix = "event_relay_";
};

namespace detail {

// As an SQL identifier in quotes, so that it names what it says and nothing else.
inline std::string quoted_identifier(std::string_view name) {
  std::string text{'"'};
  for (const char each : name) {
    text += each == '"' ? "\"\"" : std::string(1, each);
  }
  return text + '"';
}

// PostgreSQL cuts longer names off, and two would become one.
inline constexpr std::size_t longest_identifier = 63;
inline constexpr std::size_t longest_suffix = 20;

inline void require_name(std::string_view field, std::string_view name, std::size_t longest) {
  if (name.size() > longest || name.find('\0') != std::string_view::npos) {
    throw std::invalid_argument(
        fmt::format("outbox_names: {} has {} bytes, must be at most {} without NUL", field, name.size(), longest));
  }
}

inline void require_valid(const outbox_names& names) {
  require_name("schema", names.schema, longest_identifier);
  require_name("prefix", names.prefix, longest_identifier - longest_suffix);
}

/// Replaces {name} by the qualified name of the outbox's table or sequence, and {prefix} by the bare prefix, open
/// to the right: "{prefix}ready" is the quoted name of an index.
class name_expander {
 public:
  explicit name_expander(const outbox_names& names) : names_{names} {}

  std::string expanded(std::string_view sql) const {
    std::string text;
    text.reserve(sql.size() * 2);
    for (std::size_t at = 0; at < sql.size();) {
      const auto known = name_at(sql.substr(at));
      if (known.empty()) {
        text += sql[at++];
        continue;
      }
      at += known.size() + 2;
      if (known == "prefix") {
        const auto end = sql.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at);
        text += quoted_identifier(names_.prefix + std::string{sql.substr(at, end - at)});
        at = end;
      } else if (known == "schema") {
        text += quoted_identifier(names_.schema);
      } else {
        text += quoted_identifier(names_.schema) + "." + quoted_identifier(names_.prefix + std::string{known});
      }
    }
    return text;
  }

 private:
  static std::string_view name_at(std::string_view sql) {
    for (const std::string_view known : {"events", "failures", "outcomes", "outbox", "tokens", "prefix", "schema"}) {
      if (sql.starts_with('{') && sql.substr(1).starts_with(known) && sql.substr(1 + known.size()).starts_with('}')) {
        return known;
      }
    }
    return {};
  }

  outbox_names names_;
};

}  // namespace detail

/// Used by one thread at a time.
class session {
 public:
  session(const conninfo& to, detail::name_expander names) : connection_{to}, names_{std::move(names)} {}

  connection& database() { return connection_; }

  /// `sql` must be a literal: what it expands to is kept under its address.
  template <parameter... Parameters>
  void execute(std::string_view sql, const Parameters&... parameters) {
    connection_.execute(text_of(sql), parameters...);
  }
  template <class Visit, parameter... Parameters>
  void query(std::string_view sql, Visit&& visit, const Parameters&... parameters) {
    connection_.query(text_of(sql), std::forward<Visit>(visit), parameters...);
  }
  template <parameter... Parameters>
  std::int64_t integer(std::string_view sql, std::int64_t otherwise, const Parameters&... parameters) {
    return connection_.integer(text_of(sql), otherwise, parameters...);
  }
  void run(std::string_view sql) { connection_.run(names_.expanded(sql)); }
  std::int64_t changes() const { return connection_.changes(); }

 private:
  const std::string& text_of(std::string_view sql) {
    const auto [found, is_new] = texts_.try_emplace(sql.data());
    if (is_new) {
      found->second = names_.expanded(sql);
    }
    return found->second;
  }

  connection connection_;
  detail::name_expander names_;
  std::unordered_map<const char*, std::string> texts_;
};

}  // namespace event_relay::postgres
