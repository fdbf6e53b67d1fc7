// SPDX-License-Identifier: MIT
// The thin layer over libpq: parameters in and columns out, errors with their cause and the server's text, and
// connection strings that keep their secrets.
#include "event_relay/postgres/driver/connection.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/driver/conninfo.hpp"
#include "event_relay/postgres/driver/error.hpp"
#include "event_relay/postgres/driver/parameters.hpp"
#include "event_relay/postgres/driver/transaction.hpp"
#include "support/catch.hpp"
#include "support/postgres_fixture.hpp"
#include "support/refusal.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using postgres::array;
using postgres::cause_of;
using postgres::connection;
using postgres::conninfo;

static_assert(postgres::parameter<int>);
static_assert(postgres::parameter<bool>);
static_assert(postgres::parameter<std::string>);
static_assert(postgres::parameter<const char*>);
static_assert(postgres::parameter<std::nullptr_t>);
static_assert(postgres::parameter<std::optional<std::string_view>>);
static_assert(postgres::parameter<array>);
static_assert(!postgres::parameter<std::vector<int>>);
static_assert(!std::is_copy_constructible_v<connection>);

static_assert(cause_of("08006") == store_errc::connection_lost);
static_assert(cause_of("57P01") == store_errc::connection_lost);  // terminated by an administrator
static_assert(cause_of("57P03") == store_errc::connection_lost);  // starting up
static_assert(cause_of("40P01") == store_errc::busy);
static_assert(cause_of("40001") == store_errc::busy);
static_assert(cause_of("55P03") == store_errc::busy);
static_assert(cause_of("53300") == store_errc::busy);
static_assert(cause_of("53100") == store_errc::storage_full);
static_assert(cause_of("25006") == store_errc::read_only);
static_assert(cause_of("58030") == store_errc::input_output);
static_assert(cause_of("XX001") == store_errc::corrupt);
static_assert(cause_of("23505") == store_errc::rejected);
static_assert(cause_of("") == store_errc::rejected);

std::vector<std::string> texts(connection& on, std::string_view sql, const auto&... parameters) {
  std::vector<std::string> all;
  on.query(
      sql, [&](const postgres::row& at) { all.push_back(at.optional_text(0).value_or("NULL")); }, parameters...);
  return all;
}

}  // namespace

TEST_CASE("postgres::connection: every kind of parameter arrives, and every kind of column comes back") {
  connection on{conninfo{test_server()}};
  CHECK(texts(on, "SELECT $1::text", "Grüße '\"\\ ☃") == std::vector<std::string>{"Grüße '\"\\ ☃"});
  CHECK(texts(on, "SELECT $1::text", std::string{}) == std::vector<std::string>{""});
  CHECK(texts(on, "SELECT $1::text", nullptr) == std::vector<std::string>{"NULL"});
  CHECK(texts(on, "SELECT $1::text", std::optional<std::string>{}) == std::vector<std::string>{"NULL"});
  CHECK(texts(on, "SELECT $1::bigint", std::optional{std::numeric_limits<std::int64_t>::min()}) ==
        std::vector<std::string>{"-9223372036854775808"});
  CHECK(texts(on, "SELECT $1::boolean", true) == std::vector<std::string>{"t"});
  CHECK(texts(on, "SELECT $1::float8", 0.25) == std::vector<std::string>{"0.25"});
  CHECK(on.integer("SELECT $1::bigint + $2::int", 0, std::int64_t{40}, 2) == 42);
  CHECK(on.integer("SELECT NULL::bigint", -1) == -1);
  CHECK(on.integer("SELECT 1 WHERE false", -1) == -1);
  CHECK(on.integer("SELECT true", 0) == 1);
}

TEST_CASE("postgres::array: integers, texts and absent ones, in their order; an empty one") {
  connection on{conninfo{test_server()}};
  array numbers = array::of_integers();
  numbers.add(std::int64_t{1}).add_null().add(std::optional{std::int64_t{-3}});
  CHECK(texts(on, "SELECT unnest($1::bigint[])", numbers) == std::vector<std::string>{"1", "NULL", "-3"});
  array words = array::of_texts();
  words.add(std::string_view{"a\"b\\{},"}).add(std::string_view{}).add_null().add(std::string_view{"NULL"});
  CHECK(texts(on, "SELECT unnest($1::text[])", words) == std::vector<std::string>{"a\"b\\{},", "", "NULL", "NULL"});
  CHECK(texts(on, "SELECT unnest($1::text[])", array::of_texts()).empty());
}

TEST_CASE("postgres::connection: a text with NUL, refused before it is cut short") {
  connection on{conninfo{test_server()}};
  CHECK(contains(refusal([&] { on.execute("SELECT $1::int, $2::text", 1, std::string("a\0b", 3)); }),
                 "parameter 2 holds a NUL"));
}

TEST_CASE("postgres::connection: an error with its cause, its SQLSTATE, the step and the server's text") {
  connection on{conninfo{test_server()}};
  const auto refused = store_refusal_of([&] { on.execute("SELECT 1 / $1::int", 0); });
  CHECK(refused.cause == make_error_code(store_errc::rejected));
  CHECK(contains(refused.text, "running \"SELECT 1 / $1::int\""));
  CHECK(contains(refused.text, "division by zero"));
  CHECK(contains(refused.text, "SQLSTATE 22012"));
  CHECK(on.integer("SELECT 1", 0) == 1);
}

TEST_CASE("postgres::connection: a statement that is prepared under a name, on the server and in its errors") {
  connection on{conninfo{test_server()}};
  const auto divide = on.prepare("divide", "SELECT 84 / $1::int AS quotient");
  std::int64_t quotient = 0;
  on.query(
      divide, [&](const postgres::row& at) { quotient = at.integer("quotient"); }, 2);
  CHECK(quotient == 42);
  CHECK(texts(on, "SELECT name FROM pg_prepared_statements ORDER BY prepare_time") ==
        std::vector<std::string>{"event_relay_divide", "event_relay_0"});
  const auto refused = store_refusal_of([&] {
    on.query(
        divide, [](const postgres::row&) {}, 0);
  });
  CHECK(contains(refused.text, "running event_relay_divide: "));
  CHECK(contains(refused.text, "division by zero"));
}

TEST_CASE("postgres::connection: nobody answers, cannot_open, retryable, and no password in the text") {
  const auto refused = store_refusal_of(
      [] { connection{conninfo{"host=/nonexistent port=5433 user=me dbname=bookings password=hunter2"}}; });
  CHECK(refused.cause == make_error_code(store_errc::cannot_open));
  CHECK(is_retryable(refused.cause));
  CHECK(contains(refused.text, "host=/nonexistent port=5433"));
  CHECK_FALSE(contains(refused.text, "hunter2"));
}

TEST_CASE("postgres::conninfo: a string that cannot be read, refused without a word of it that may be secret") {
  for (const char* const text :
       {"host=x password=hunter2 hunter2", "passwort=hunter2", "password='hunter2", "postgres://me:hunter2@[::1/db"}) {
    INFO(text);
    const std::string said = refusal([&] { conninfo{text}; });
    CHECK(contains(said, "the connection string cannot be read"));
    CHECK_FALSE(contains(said, "hunter2"));
  }
}

TEST_CASE("postgres::conninfo: shown with host, database and user; secrets blotted out of any text") {
  const conninfo to{"postgresql://me:hunter2@db.example:5433/bookings?sslpassword=swordfish"};
  CHECK(to.shown() == "user=me dbname=bookings host=db.example port=5433");
  CHECK(to.redacted("no hunter2, no swordfish, and hunter2 again") == "no ***, no ***, and *** again");
}

TEST_CASE("postgres::transaction: undone where it is left, and a failed one is not committed") {
  connection on{conninfo{test_server()}};
  on.run("CREATE TEMPORARY TABLE t (n int PRIMARY KEY)");
  {
    postgres::transaction left{on};
    on.execute("INSERT INTO t VALUES (1)");
  }
  CHECK(on.integer("SELECT count(*) FROM t", -1) == 0);
  {
    postgres::transaction failed{on};
    on.execute("INSERT INTO t VALUES (1)");
    CHECK_THROWS_AS(on.execute("INSERT INTO t VALUES (1)"), postgres::error);
    CHECK(store_refusal_of([&] { failed.commit(); }).cause == make_error_code(store_errc::rejected));
  }
  CHECK(on.integer("SELECT count(*) FROM t", -1) == 0);
  postgres::transaction good{on};
  on.execute("INSERT INTO t VALUES (1)");
  CHECK(on.changes() == 1);
  good.commit();
  CHECK(on.integer("SELECT count(*) FROM t", -1) == 1);
}

TEST_CASE("postgres::transaction: READ COMMITTED, whatever the session's default") {
  connection on{conninfo{test_server()}};
  on.run("SET default_transaction_isolation = 'serializable'; SET default_transaction_read_only = on");
  const postgres::transaction open{on};
  CHECK(texts(on, "SHOW transaction_isolation") == std::vector<std::string>{"read committed"});
  CHECK(texts(on, "SHOW transaction_read_only") == std::vector<std::string>{"off"});
}
