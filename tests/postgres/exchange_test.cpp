// SPDX-License-Identifier: MIT
// What goes wrong in an exchange: writes that fail or meddle with the transaction, connections that break, and commits
// whose end is in doubt.
#include "event_relay/postgres/exchange.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

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

const auto lost = make_error_code(store_errc::connection_lost);

// Ends all of the library's connections, as an administrator does or a server that restarts.
void terminate_all(host_session& by) {
  by.run("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'event_relay'");
}

// Calls `act` when a statement of the library has come to wait for `event`.
template <class Act>
void when_waiting_for(const std::string& event, Act act) {
  host_session looking;
  while (looking
             .run(fmt::format("SELECT 1 FROM pg_stat_activity WHERE application_name = 'event_relay' AND "
                              "wait_event = '{}' AND state = 'active'",
                              event))
             .empty()) {
    std::this_thread::yield();
  }
  act(looking);
}

}  // namespace

TEST_CASE("postgres exchange: one write of many fails, each of the others is stored, called again at most once") {
  bench on;
  std::vector<event_record> records;
  for (int each = 0; each < 100; ++each) {
    records.push_back(record_of(fmt::format("evt-{}", each)));
  }
  on.begin();
  on.append_all(records);
  on.commit();
  const auto claims = on.claim();
  std::vector<int> calls(claims.size());
  std::vector<bench::settlement> all;
  for (std::size_t at = 0; at < claims.size(); ++at) {
    all.push_back(bench::end(claims[at]));
    all.back().write = [&calls, at](postgres::connection& writes) {
      ++calls[at];
      postgres_fixture::leave(writes, fmt::format("{}", at));
      if (at == 40) {
        writes.execute("SELECT 1 / 0");
      }
    };
  }
  const auto results = settle(on.store(), std::span<const bench::settlement>{all});
  for (std::size_t at = 0; at < claims.size(); ++at) {
    INFO(at);
    CHECK(results[at].status == (at == 40 ? settle_status::write_failed : settle_status::applied));
    CHECK(calls[at] <= 2);
  }
  CHECK(contains(results[40].error, "division by zero"));
  CHECK(on.written().size() == 99);
  CHECK(on.store().metrics().leased == 1);
  CHECK(on.store().metrics().outcomes.at(0).processed == 99);
}

TEST_CASE("postgres exchange: a write that hides its error, or ends the transaction: its attempt has failed") {
  for (const char* const meddling : {"SELECT 1 / 0", "ROLLBACK"}) {
    INFO(meddling);
    bench on;
    on.add("a", "b");
    const auto claims = on.claim();
    auto meddles = bench::end(claims[0]);
    meddles.write = [&](postgres::connection& writes) {
      postgres_fixture::leave(writes, "never");
      PQclear(PQexec(writes.handle(), meddling));
    };
    const auto results = on.settle_all(meddles, bench::end_writing(claims[1], "kept"));
    CHECK(results[0].status == settle_status::write_failed);
    CHECK(results[1].status == settle_status::applied);
    CHECK(on.written() == texts{"kept"});
    CHECK(on.seen("a") == "leased 1 until 30000");
    CHECK(on.seen("b") == "gone");
  }
}

TEST_CASE("postgres exchange: a connection that broke meanwhile, connection_lost once, and then all goes on") {
  bench on;
  on.add("a", "b");
  const auto claimed = on.claim(1).at(0);
  terminate_all(on.sql());
  CHECK(store_refusal_of([&] { on.settle(bench::end(claimed)); }).cause == lost);
  CHECK(is_retryable(lost));
  CHECK(on.settle(bench::end(claimed)) == settle_status::applied);
  CHECK(texts_of(on.claim()) == texts{"b #1"});
}

TEST_CASE(
    "postgres exchange: a connection that breaks in a handler's write, nothing is stored and no attempt has failed") {
  bench on;
  on.add("a");
  const auto claimed = on.claim_one();
  auto breaks = bench::end(claimed);
  breaks.write = [&](postgres::connection& writes) {
    postgres_fixture::leave(writes, "never");
    terminate_all(on.sql());
    writes.execute("SELECT 1");
  };
  CHECK(store_refusal_of([&] { on.settle(breaks); }).cause == lost);
  CHECK(on.seen("a") == "leased 1 until 30000");
  CHECK(on.settle(bench::end_writing(claimed, "once")) == settle_status::applied);
  CHECK(on.written() == texts{"once"});
}

// A server that waits for a replica that never comes (with_server.sh) has committed, and says so only when the wait is
// over.
TEST_CASE("postgres exchange: cut in the midst of a COMMIT that counts, what it did is answered and done once") {
  bench on;
  std::atomic<bool> waits_for_replica{false};
  on.options().on_open = [&](postgres::connection& fresh) {
    fresh.run(waits_for_replica ? "SET synchronous_commit = on" : "SET synchronous_commit = local");
  };
  on.add("a", "b", "c");
  waits_for_replica = true;
  on.open_store();

  const auto cut = [&](std::span<const bench::settlement> settlements) {
    store_refusal refused;
    std::jthread exchange{[&] { refused = store_refusal_of([&] { on.store().exchange(settlements, {1, 30s}); }); }};
    when_waiting_for("SyncRep", [](host_session& by) { terminate_all(by); });
    exchange.join();
    CHECK(refused.cause == lost);
  };
  cut({});
  waits_for_replica = false;
  CHECK(on.seen("a") == "leased 1 until 30000");
  const auto claims = on.claim(1);
  CHECK(texts_of(claims) == texts{"a #1"});  // the one that the lost exchange has claimed

  int calls = 0;
  auto ends = bench::end_with(claims.at(0), {record_of("follow-up")});
  ends.write = [&](postgres::connection& writes) {
    ++calls;
    postgres_fixture::leave(writes, "once");
  };
  const std::vector<bench::settlement> settlements{ends};
  waits_for_replica = true;
  terminate_all(on.sql());
  CHECK(store_refusal_of([&] { on.store().has_unfinished(); }).cause == lost);
  cut(settlements);
  waits_for_replica = false;
  CHECK(on.settle(ends) == settle_status::applied);
  CHECK(on.settle(ends) == settle_status::stale);
  CHECK(calls == 1);
  CHECK(on.written() == texts{"once"});
  CHECK(on.seen("follow-up") == "ready 0");
  CHECK(texts_of(on.claim(1)) == texts{"b #1"});  // claimed by the second lost exchange
  CHECK(texts_of(on.claim(5)) == texts{"c #1", "follow-up #1"});
}

TEST_CASE("postgres exchange: cut in the midst of a COMMIT that does not count, it is done by the next one, once") {
  bench on;
  on.add("a");
  on.sql().run(
      on.with_names("CREATE TABLE @ends (id text);"
                    "CREATE FUNCTION @cut() RETURNS trigger LANGUAGE plpgsql AS "
                    "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(0); RETURN NULL; END';"
                    "CREATE CONSTRAINT TRIGGER @at_commit AFTER INSERT ON @ends DEFERRABLE INITIALLY DEFERRED "
                    "FOR EACH ROW EXECUTE FUNCTION @cut()"));
  const auto claimed = on.claim_one();
  auto ends = bench::end(claimed);
  const std::string insert = on.with_names("INSERT INTO @ends VALUES ('a')");
  ends.write = [&](postgres::connection& writes) { writes.execute(insert); };
  CHECK(store_refusal_of([&] { on.settle(ends); }).cause == lost);
  CHECK(on.seen("a") == "leased 1 until 30000");
  on.sql().run(on.with_names("DROP TRIGGER @at_commit ON @ends"));
  CHECK(on.settle(ends) == settle_status::applied);
  CHECK(on.sql().run(on.with_names("SELECT count(*) FROM @ends")) == texts{"1"});
  on.sql().run(on.with_names("DROP TABLE @ends; DROP FUNCTION @cut"));
}

TEST_CASE(
    "postgres exchange: a lock that another session holds for long, busy after the timeout, and nothing is changed") {
  bench on;
  on.options().lock_timeout = 1ms;
  on.open_store();
  on.add("a");
  const auto claimed = on.claim_one();
  host_session other;
  other.run("BEGIN");
  other.run(on.with_names("SELECT 1 FROM @events FOR UPDATE"));
  const store_refusal refused = store_refusal_of([&] { on.settle(bench::end(claimed)); });
  CHECK(refused.cause == make_error_code(store_errc::busy));
  CHECK(on.claim().empty());  // what is locked is passed over
  other.run("ROLLBACK");
  CHECK(on.settle(bench::end(claimed)) == settle_status::applied);
}

TEST_CASE("postgres exchange: more threads than connections, all of them served") {
  bench on;
  on.options().max_connections = 2;
  on.open_store();
  std::atomic<int> served{0};
  {
    std::vector<std::jthread> all;
    for (int each = 0; each < 8; ++each) {
      all.emplace_back([&] {
        for (int call = 0; call < 20; ++call) {
          on.store().exchange({}, {1, 30s});
          ++served;
        }
      });
    }
  }
  CHECK(served == 160);
  CHECK(on.sql().run("SELECT count(*) <= 3 FROM pg_stat_activity WHERE application_name = 'event_relay' AND query LIKE "
                     "'%" +
                     on.prefix() + "%'") == texts{"t"});
}

TEST_CASE("postgres store: the server's clock, and no other, without one of a test's") {
  postgres_fixture_of<postgres::server_clock> on;
  on.begin();
  const event_record record = record_of("a");
  on.store().append(on.host(), {&record, 1});
  on.commit();
  const auto claimed = on.store().exchange({}, {1, 30s}).claimed;
  REQUIRE(claimed.size() == 1);
  CHECK(on.sql().run(
            on.with_names("SELECT leased_until - available_at BETWEEN 30000 AND 60000 AND abs(available_at / 1000 "
                          "- extract(epoch FROM clock_timestamp())) < 60 FROM @events")) == texts{"t"});
  const auto now = on.store().now().time_since_epoch().count();
  CHECK(on.sql().run(fmt::format("SELECT {} <= extract(epoch FROM clock_timestamp()) * 1000", now)) == texts{"t"});
}
