// SPDX-License-Identifier: MIT
// Every statement, on the tables of a fresh outbox: the server takes it, and finds all that it reads in the events
// table by an index.
#include "event_relay/postgres/statements.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "event_relay/postgres/driver/conninfo.hpp"
#include "event_relay/postgres/outbox_names.hpp"
#include "event_relay/postgres/pooled_session.hpp"
#include "event_relay/postgres/store.hpp"
#include "event_relay/sql/statement.hpp"
#include "support/catch.hpp"
#include "support/postgres_fixture.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using postgres::row;
namespace statements = postgres::detail::statements;
using texts = std::vector<std::string>;

// A session with the settings of a store's, on its tables.
struct statement_bench : postgres_fixture {
  postgres::conninfo to{test_server()};
  postgres::store_options own_options = options();
  std::unique_ptr<postgres::detail::pooled_session> opened = postgres::detail::open_session(to, own_options);

  texts rows_of(const std::string& sql) {
    texts rows;
    opened->database().query(sql, [&](const row& at) { rows.emplace_back(at.text(0)); });
    return rows;
  }
  /// The lines of the plan that the session uses for a statement which is prepared, whatever its parameters.
  texts plan_of(const sql::statement& what) {
    const std::string name = opened->on.prepared(what).name;
    const auto count = rows_of(
        fmt::format("SELECT cardinality(parameter_types)::text FROM pg_prepared_statements WHERE name = '{}'", name));
    std::string nulls;
    for (int each = 0; each < std::stoi(count.at(0)); ++each) {
      nulls += each == 0 ? "(NULL" : ", NULL";
    }
    return rows_of(fmt::format("EXPLAIN (COSTS off) EXECUTE {}{}", name, nulls.empty() ? "" : nulls + ")"));
  }
};

}  // namespace

TEST_CASE("postgres statements: each is prepared on a fresh outbox, under a name of its own that says what it is") {
  statement_bench on;
  std::set<std::string> names;
  for (const sql::statement& each : statements::all) {
    INFO(each.name);
    CHECK(names.insert(fmt::format("event_relay_{}", each.name)).second);
    CHECK(on.opened->on.prepared(each).name == fmt::format("event_relay_{}", each.name));
  }
  const texts known = on.rows_of("SELECT name FROM pg_prepared_statements WHERE name !~ '[0-9]$'");
  CHECK(std::set<std::string>{known.begin(), known.end()} == names);
}

TEST_CASE("postgres statements: none of them reads the events from one end to the other") {
  statement_bench on;
  for (const sql::statement& each : statements::all) {
    INFO(each.name);
    const texts plan = on.plan_of(each);
    for (const std::string& line : plan) {
      const bool is_scan = contains(line, "Seq Scan on") || contains(line, "Bitmap Heap Scan on");
      const bool is_of_events = contains(line, on.prefix() + "events") || contains(line, on.prefix() + "failures");
      INFO(line);
      CHECK_FALSE((is_scan && is_of_events));
    }
  }
}

TEST_CASE(
    "postgres statements: a claim finds what is due, the locks of keys and those that wait by the partial indexes") {
  statement_bench on;
  const auto uses = [&](const sql::statement& what, std::string_view index) {
    const texts plan = on.plan_of(what);
    return std::any_of(plan.begin(), plan.end(), [&](const std::string& line) {
      return contains(line, fmt::format("Scan using {}{} on", on.prefix(), index));
    });
  };
  CHECK(uses(statements::claim_ready, "ready"));
  CHECK(uses(statements::claim_ready, "taken"));
  CHECK(uses(statements::claim_ready, "waiting"));
  CHECK(uses(statements::claim_within_limits, "ready_by_name"));
  CHECK(uses(statements::claim_orphan, "suspects"));
  CHECK(uses(statements::expire_leases, "leased"));
  CHECK(uses(statements::read_dead_letters, "dead_letters"));
  CHECK(uses(statements::delete_kept, "kept"));
  CHECK(uses(statements::block_behind, "waiting"));
  CHECK(uses(statements::free_keys, "taken"));
}

TEST_CASE("postgres statements: a schema with a quote in its name") {
  host_session sql;
  const std::string schema = "O'Brien's \\ \"outbox\"";
  const std::string quoted = postgres::detail::quoted_identifier(schema);
  sql.run(fmt::format("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}", quoted));
  {
    postgres::store<> one{test_server(), {.names = {.schema = schema}, .hints = postgres::wake_ups::polling}};
    sql.run("BEGIN");
    const event_record record = record_of("a");
    one.append(sql.get(), {&record, 1});
    sql.run("COMMIT");
    CHECK(texts_of(one.exchange({}, {1, std::chrono::seconds{30}}).claimed) == texts{"a #1"});
  }
  sql.run(fmt::format("DROP SCHEMA {} CASCADE", quoted));
}
