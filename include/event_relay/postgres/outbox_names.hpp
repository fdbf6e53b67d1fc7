// SPDX-License-Identifier: MIT
// Where an outbox is in its database, and what the names in its statements stand for there.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace event_relay::postgres {

/// Several outboxes may share one database.
struct outbox_names {
  /// It must be there; empty: the first of the connection's search_path.
  std::string schema = {};
  /// Of the names of the outbox's tables, sequence and indexes.
  std::string prefix = "event_relay_";
};

namespace detail {

/// `name` as an SQL identifier in quotes, so that it names what it says and nothing else.
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

/// What the names in statements stand for (sql/statement.hpp): `events`, `failures`, `outcomes`, `outbox` and `tokens`
/// are the qualified names of the tables and the sequence, `schema` is the schema, and `index_ready` and the like are
/// the names of indexes, which CREATE INDEX takes without a schema.
class statement_names {
 public:
  explicit statement_names(outbox_names names) : names_{std::move(names)} {}

  std::optional<std::string> operator()(std::string_view name) const {
    constexpr std::array<std::string_view, 5> relations{"events", "failures", "outcomes", "outbox", "tokens"};
    constexpr std::string_view index = "index_";
    if (std::find(relations.begin(), relations.end(), name) != relations.end()) {
      return quoted_identifier(names_.schema) + "." + quoted_identifier(names_.prefix + std::string{name});
    }
    if (name == "schema") {
      return quoted_identifier(names_.schema);
    }
    if (name.starts_with(index)) {
      return quoted_identifier(names_.prefix + std::string{name.substr(index.size())});
    }
    return std::nullopt;
  }

  const outbox_names& names() const { return names_; }

 private:
  outbox_names names_;
};

}  // namespace detail

}  // namespace event_relay::postgres
