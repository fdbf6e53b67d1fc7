// SPDX-License-Identifier: MIT
// Appends on the host's own connection: in its transaction, of whatever kind, and without leaving a trace. A connection
// that an append cannot join is refused before anything is changed.
#include "event_relay/postgres/append.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <libpq-events.h>
#include <libpq-fe.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/store.hpp"
#include "support/catch.hpp"
#include "support/postgres_fixture.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using bench = store_bench<postgres_fixture>;
using texts = std::vector<std::string>;

store_refusal refusal_of_append(bench& on) {
  return store_refusal_of([&] { on.append("refused"); });
}

}  // namespace

TEST_CASE("postgres append: outside a transaction, refused as no_transaction") {
  bench on;
  CHECK(refusal_of_append(on).cause == make_error_code(store_errc::no_transaction));
  on.begin();
  on.sql().run("SELECT 1 / 0");
  const store_refusal failed = refusal_of_append(on);
  CHECK(failed.cause == make_error_code(store_errc::no_transaction));
  CHECK(contains(failed.text, "roll it back"));
  on.rollback();
  CHECK(on.seen("refused") == "gone");
}

TEST_CASE("postgres append: in a host's transaction of any isolation, and under a savepoint") {
  bench on;
  for (const char* const level : {"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"}) {
    INFO(level);
    on.sql().run(fmt::format("BEGIN ISOLATION LEVEL {}", level));
    on.append(std::string{level});
    on.sql().run("SAVEPOINT s");
    on.append(std::string{"undone "} + level);
    on.sql().run("ROLLBACK TO s");
    on.append(std::string{"kept "} + level);
    on.commit();
    CHECK(on.seen(level) == "ready 0");
    CHECK(on.seen(std::string{"undone "} + level) == "gone");
    CHECK(on.seen(std::string{"kept "} + level) == "ready 0");
  }
}

TEST_CASE("postgres append: a commit wakes although there was a rollback to a savepoint, and not twice") {
  bench on;
  std::uint64_t before = on.hints();
  on.begin();
  on.append("a");
  on.sql().run("SAVEPOINT s; ROLLBACK TO s");
  CHECK(on.hints() == before);
  on.sql().run("COMMIT AND CHAIN");
  CHECK(on.hints() > before);
  before = on.hints();
  on.commit();
  CHECK(on.hints() == before);
  on.begin();
  on.append("b");
  on.rollback();
  on.begin();
  on.commit();
  CHECK(on.hints() == before);
}

TEST_CASE("postgres append: a statement that fails in the host's transaction, and a commit that is none") {
  bench on;
  const std::uint64_t before = on.hints();
  on.begin();
  on.append("a");
  on.sql().run("SELECT 1 / 0");
  on.commit();  // the server answers ROLLBACK
  CHECK(on.hints() == before);
  CHECK(on.seen("a") == "gone");
}

TEST_CASE("postgres append: a connection to another database, or with another outbox of that name, wrong_database") {
  bench on;
  on.sql().run("CREATE DATABASE other_database");
  host_session elsewhere{test_server() + " dbname=other_database"};
  const auto refused = [&] {
    elsewhere.run("BEGIN");
    const event_record record = record_of("a");
    const store_refusal said = store_refusal_of([&] { on.store().append(elsewhere.get(), {&record, 1}); });
    CHECK(elsewhere.run("SELECT 1") == texts{"1"});  // its transaction is as it was
    elsewhere.run("COMMIT");
    return said;
  };
  const store_refusal empty = refused();
  CHECK(empty.cause == make_error_code(store_errc::wrong_database));
  CHECK(contains(empty.text, "other_database"));
  postgres::store<> another{test_server() + " dbname=other_database", on.options()};
  CHECK(contains(refused().text, "another one"));
}

TEST_CASE("postgres append: a connection in pipeline mode, busy, or in another encoding, refused and left alone") {
  bench on;
  const auto is_refused = [&](std::string_view why) {
    const store_refusal said = refusal_of_append(on);
    CHECK(said.cause == make_error_code(store_errc::rejected));
    CHECK(contains(said.text, why));
  };
  on.sql().run("SET client_encoding = 'LATIN1'");
  on.begin();
  is_refused("LATIN1");
  on.sql().run("SET client_encoding = 'UTF8'");
  REQUIRE(PQsendQuery(on.host(), "SELECT 1") == 1);
  is_refused("still running");
  while (PGresult* const each = PQgetResult(on.host())) {
    PQclear(each);
  }
  REQUIRE(PQenterPipelineMode(on.host()) == 1);
  is_refused("pipeline mode");
  REQUIRE(PQexitPipelineMode(on.host()) == 1);
  on.append("a");
  on.commit();
  CHECK(on.seen("a") == "ready 0");
}

TEST_CASE("postgres append: no setting, prepared statement, lock or notification of the host's is touched") {
  bench on;
  on.add("first");
  const auto state = [&] {
    texts all =
        on.sql().run("SELECT name || '=' || setting FROM pg_settings WHERE name NOT LIKE 'transaction%' ORDER BY 1");
    const texts statements = on.sql().run("SELECT name FROM pg_prepared_statements");
    all.insert(all.end(), statements.begin(), statements.end());
    const texts channels = on.sql().run("SELECT pg_listening_channels()");
    all.insert(all.end(), channels.begin(), channels.end());
    return all;
  };
  const texts before = state();
  on.sql().run("DISCARD ALL");  // as a pooler does between its clients
  on.begin();
  on.append("a", "b");
  CHECK(on.sql().run("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'") ==
        texts{"0"});
  on.commit();
  CHECK(state() == before);
  CHECK(on.seen("b") == "ready 0");
}

TEST_CASE("postgres append: two outboxes on one connection, each woken by its own commits only") {
  bench one;
  bench other;
  const auto append_by = [&](bench& on, const char* id) {
    const event_record record = record_of(id);
    on.store().append(one.host(), {&record, 1});
  };
  const std::uint64_t before = other.hints();
  one.begin();
  append_by(one, "a");
  one.commit();
  CHECK(other.hints() == before);
  const std::uint64_t ones = one.hints();
  one.begin();
  append_by(other, "a");
  one.commit();
  CHECK(other.hints() > before);
  CHECK(one.hints() == ones);
  one.begin();
  append_by(other, "b");
  other.close_store();
  one.commit();  // nobody is left to hear it
  CHECK(one.hints() == ones);
}

TEST_CASE("postgres append: a host's connection that was made anew goes on, and its own event procedure stays") {
  bench on;
  on.add("a");
  PQreset(on.host());
  on.add("b");
  CHECK(on.seen("b") == "ready 0");
  static int heard = 0;
  const auto count = [](PGEventId what, void*, void*) {
    heard += what == PGEVT_RESULTCREATE ? 1 : 0;
    return 1;
  };
  REQUIRE(PQregisterEventProc(on.host(), count, "host", nullptr) == 1);
  const int before = heard;
  on.add("c");
  CHECK(heard > before);
}

TEST_CASE("postgres append: appends of one key in two open transactions do not wait for each other") {
  bench on;
  host_session second;
  second.run("SET lock_timeout = '1ms'");
  on.begin();
  on.append(keyed("a"));
  second.run("BEGIN");
  const event_record later = keyed("b");
  CHECK(on.store().append(second.get(), {&later, 1}).at(0) == append_status::appended);
  second.run("COMMIT");
  on.commit();
  CHECK(on.store().find("a").has_value());
}

TEST_CASE("postgres append: text that is no UTF-8, refused by the server, and nothing of the batch is there") {
  bench on;
  event_record bad = record_of("bad");
  bad.payload = "\xff";
  on.begin();
  const store_refusal refused = store_refusal_of([&] { on.append("good", bad); });
  CHECK(refused.cause == make_error_code(store_errc::rejected));
  CHECK(contains(refused.text, "appending 2 events"));
  on.commit();
  CHECK(on.seen("good") == "gone");
}
