// SPDX-License-Identifier: MIT
// The columns of a row: read as what they are, by place and by name.
#include "event_relay/sqlite/driver/row.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "event_relay/sqlite/driver/connection.hpp"
#include "support/catch.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace std::chrono_literals;
using sqlite::connection;

struct database_file {
  event_relay_test::temporary_folder folder;
  connection first{folder / "things.sqlite", 0ms};
};

}  // namespace

TEST_CASE("row: columns of every kind, read by place") {
  database_file file;
  int rows = 0;
  file.first.query("SELECT 42, 'text', NULL, '', -9223372036854775808", [&](const sqlite::row& each) {
    ++rows;
    CHECK(each.integer(0) == 42);
    CHECK(each.text(1) == "text");
    CHECK(each.is_null(2));
    CHECK_FALSE(each.is_null(3));
    CHECK(each.text(2).empty());
    CHECK(each.text(3).empty());
    CHECK(each.integer(4) == std::numeric_limits<std::int64_t>::min());
    CHECK(each.optional_integer(0) == std::optional<std::int64_t>{42});
    CHECK_FALSE(each.optional_integer(2).has_value());
    CHECK(each.optional_text(1) == std::optional<std::string>{"text"});
    CHECK(each.optional_text(3) == std::optional<std::string>{""});
    CHECK_FALSE(each.optional_text(2).has_value());
  });
  CHECK(rows == 1);
}

TEST_CASE("row: columns of every kind, by name, in any order and again") {
  database_file file;
  int rows = 0;
  file.first.query("SELECT 42 AS number, 'text' AS word, NULL AS absent, 0.5 AS half", [&](const sqlite::row& each) {
    ++rows;
    CHECK(each.real("half") == 0.5);
    CHECK(each.integer("number") == 42);
    CHECK(each.integer("number") == 42);
    CHECK(each.text("word") == "text");
    CHECK(each.is_null("absent"));
    CHECK_FALSE(each.is_null("word"));
    CHECK(each.optional_integer("number") == std::optional<std::int64_t>{42});
    CHECK_FALSE(each.optional_integer("absent").has_value());
    CHECK(each.optional_text("word") == std::optional<std::string>{"text"});
    CHECK_FALSE(each.optional_text("absent").has_value());
  });
  CHECK(rows == 1);
}

TEST_CASE("row: columns by name, in every row of a table, whose names they have where AS gives no other") {
  database_file file;
  file.first.run("CREATE TABLE bookings (id TEXT, seats INTEGER); INSERT INTO bookings VALUES ('a', 1), ('b', 2)");
  std::vector<std::string> seen;
  file.first.query("SELECT id, seats, seats + 1 AS more FROM bookings ORDER BY id", [&](const sqlite::row& each) {
    seen.push_back(fmt::format("{} {} {}", each.integer("more"), each.text("id"), each.integer("seats")));
  });
  file.first.query("UPDATE bookings SET seats = 9 WHERE id = 'b' RETURNING id, seats", [&](const sqlite::row& each) {
    seen.push_back(fmt::format("{} {}", each.text("id"), each.integer("seats")));
  });
  CHECK(seen == std::vector<std::string>{"2 a 1", "3 b 2", "b 9"});
}

TEST_CASE("row: a name that no column has, refused by name, and the statement is as good as new") {
  database_file file;
  const auto read = [&](const char* column) {
    std::string found;
    file.first.query("SELECT 1 AS one, 2 AS two", [&](const sqlite::row& each) { found = each.text(column); });
    return found;
  };
  CHECK_THROWS_WITH(read("three"), "the row has no column \"three\"");
  CHECK_THROWS_AS(read(""), std::out_of_range);
  CHECK(read("two") == "2");
}
