// SPDX-License-Identifier: MIT
// Columns are read by their names or by their places, whatever the order of the SELECT.
#include "event_relay/postgres/driver/row.hpp"

#include <optional>
#include <stdexcept>
#include <string>

#include "event_relay/postgres/driver/connection.hpp"
#include "event_relay/postgres/driver/conninfo.hpp"
#include "support/catch.hpp"
#include "support/postgres_fixture.hpp"

namespace {

using namespace event_relay_test;
using event_relay::postgres::connection;
using event_relay::postgres::conninfo;
using event_relay::postgres::row;

}  // namespace

TEST_CASE("postgres::row: columns by name, in any order and again and again, as by their places") {
  connection on{conninfo{test_server()}};
  int rows = 0;
  on.query("SELECT 7 AS number, 'seven' AS text, true AS truth, NULL::bigint AS nothing, 8 AS \"Number\"",
           [&](const row& at) {
             ++rows;
             CHECK(at.text("text") == "seven");
             CHECK(at.integer("number") == 7);
             CHECK(at.integer("Number") == 8);
             CHECK(at.integer("number") == at.integer(0));
             CHECK(at.integer("truth") == 1);
             CHECK(at.is_null("nothing"));
             CHECK_FALSE(at.is_null("truth"));
             CHECK(at.optional_integer("nothing") == std::nullopt);
             CHECK(at.optional_integer("number") == 7);
             CHECK(at.optional_text("nothing") == std::nullopt);
             CHECK(at.optional_text("text") == at.optional_text(1));
           });
  CHECK(rows == 1);
}

TEST_CASE("postgres::row: a name that no column has, refused") {
  connection on{conninfo{test_server()}};
  on.query("SELECT 7 AS number", [](const row& at) { CHECK_THROWS_AS(at.integer("nummer"), std::out_of_range); });
}
