// SPDX-License-Identifier: MIT
// The outbox's tables: made once, also by many at a time; several outboxes in one database; refused by name where they
// are a later version's or somebody else's.
#include "event_relay/postgres/schema.hpp"

#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/store.hpp"
#include "support/catch.hpp"
#include "support/postgres_fixture.hpp"
#include "support/refusal.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using postgres::outbox_names;
using postgres::store;
using postgres::store_options;
using postgres::wake_ups;

// A schema of its own, gone at the end.
struct own_schema {
  host_session sql;
  std::string name = fmt::format("Schema \"of\" {}", getpid());
  std::string quoted = postgres::detail::quoted_identifier(name);

  own_schema() { sql.run(fmt::format("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}", quoted)); }
  ~own_schema() { sql.run(fmt::format("DROP SCHEMA {} CASCADE", quoted)); }

  store_options options(std::string prefix = "event_relay_") const {
    return {.names = {.schema = name, .prefix = std::move(prefix)}, .hints = wake_ups::polling};
  }
  store_refusal opening(std::string prefix = "event_relay_") const {
    return store_refusal_of([&] { store<>{test_server(), options(std::move(prefix))}; });
  }
  std::vector<std::string> tables() {
    return sql.run(
        fmt::format("SELECT table_name FROM information_schema.tables WHERE table_schema = '{}' ORDER BY 1", name));
  }
};

}  // namespace

TEST_CASE("postgres schema: eight stores that open an empty database at once, tables made once") {
  own_schema in;
  std::vector<std::string> failures(8);
  {
    std::vector<std::jthread> all;
    for (std::string& each : failures) {
      all.emplace_back([&] { each = in.opening().text; });
    }
  }
  CHECK(failures == std::vector<std::string>(8, "not refused"));
  CHECK(in.tables() == std::vector<std::string>{"event_relay_events", "event_relay_failures", "event_relay_outbox",
                                                "event_relay_outcomes"});
  CHECK(in.sql.run(fmt::format("SELECT count(*) FROM {}.event_relay_outbox", in.quoted)) ==
        std::vector<std::string>{"1"});
}

TEST_CASE("postgres schema: several outboxes in one database, by prefix, each with its own events") {
  own_schema in;
  const std::vector<std::string> prefixes{"a_", "B \"%$_", ""};
  std::vector<std::string> ids;
  for (const std::string& prefix : prefixes) {
    store<> one{test_server(), in.options(prefix)};
    in.sql.run("BEGIN");
    const event_record record = record_of("event of '" + prefix + "'");
    CHECK(one.append(in.sql.get(), {&record, 1}).at(0) == append_status::appended);
    in.sql.run("COMMIT");
  }
  for (const std::string& prefix : prefixes) {
    store<> one{test_server(), in.options(prefix)};
    const auto claimed = one.exchange({}, {10, std::chrono::seconds{30}}).claimed;
    REQUIRE(claimed.size() == 1);
    CHECK(claimed.at(0).record.id == "event of '" + prefix + "'");
    CHECK(one.metrics().leased == 1);
  }
}

TEST_CASE("postgres schema: no name given, the first schema of the search_path, and fixed from then on") {
  own_schema in;
  store_options options{.hints = wake_ups::polling};
  options.on_open = [&](postgres::connection& on) { on.run("SET search_path = " + in.quoted); };
  store<> one{test_server(), options};
  CHECK(one.names().schema == in.name);
  CHECK(in.tables().size() == 4);
}

TEST_CASE("postgres schema: names that cannot be, refused with the field, the length and the limit") {
  CHECK(refusal([] {
          store<>{test_server(), {.names = {.schema = {}, .prefix = std::string(44, 'x')}}};
        }) == "outbox_names: prefix has 44 bytes, must be at most 43 without NUL");
  CHECK(contains(refusal([] {
                   store<>{test_server(), {.names = {.schema = std::string(64, 'x'), .prefix = {}}}};
                 }),
                 "schema has 64 bytes"));
  CHECK(contains(refusal([] {
                   store<>{test_server(), {.names = {.schema = {}, .prefix = std::string("a\0", 2)}}};
                 }),
                 "without NUL"));
}

TEST_CASE("postgres schema: a later version's tables, refused by name and left alone") {
  own_schema in;
  CHECK(in.opening().text == "not refused");
  in.sql.run(fmt::format("UPDATE {}.event_relay_outbox SET version = 7", in.quoted));
  const store_refusal refused = in.opening();
  CHECK(refused.cause == make_error_code(store_errc::newer_schema));
  CHECK(contains(refused.text, "version 7"));
  CHECK_FALSE(is_retryable(refused.cause));
}

TEST_CASE("postgres schema: somebody else's tables, refused by name and left alone") {
  const auto foreign = make_error_code(store_errc::foreign_schema);
  for (const char* const sql :
       {"CREATE TABLE {0}.event_relay_outbox (a int)", "CREATE TABLE {0}.event_relay_events (a int)",
        "CREATE VIEW {0}.event_relay_failures AS SELECT 1 AS a",
        "CREATE TABLE {0}.event_relay_outbox (version int); INSERT INTO {0}.event_relay_outbox VALUES (1)",
        "CREATE TABLE {0}.event_relay_outbox (version int)"}) {
    INFO(sql);
    own_schema in;
    in.sql.run(fmt::format(fmt::runtime(sql), in.quoted));
    const auto before = in.tables();
    const store_refusal refused = in.opening();
    CHECK(refused.cause == foreign);
    CHECK(contains(refused.text, in.name));
    CHECK(in.tables() == before);
  }
}

TEST_CASE("postgres schema: a schema that is not there, or may not be written, refused with the server's word") {
  const store_refusal refused = store_refusal_of([] {
    store<>{test_server(), {.names = {.schema = "nowhere"}, .hints = wake_ups::polling}};
  });
  CHECK(refused.cause == make_error_code(store_errc::rejected));
  CHECK(contains(refused.text, "\"nowhere\" does not exist"));
}

TEST_CASE("postgres schema: two events of one key leased, refused by the database itself") {
  postgres_fixture on;
  on.sql().run(
      on.with_names("INSERT INTO @events (id, name, payload, occurred_at, correlation_id, replayed, ordering_key, "
                    "available_at) VALUES "
                    "('a', 'n', '', 0, 'c', false, 'k', 0), ('b', 'n', '', 0, 'c', false, 'k', 0), ('c', 'n', '', 0, "
                    "'c', false, NULL, "
                    "0), ('d', 'n', '', 0, 'c', false, NULL, 0)"));
  CHECK(on.sql().run(on.with_names("UPDATE @events SET state = 1 WHERE id IN ('a', 'c', 'd')")).empty());
  for (const char* const state : {"state = 1", "state = 2", "state = 3, holds_key = true"}) {
    CHECK(on.sql().run(on.with_names(fmt::format("UPDATE @events SET {} WHERE id = 'b'", state))) ==
          std::vector<std::string>{"23505"});
  }
}
