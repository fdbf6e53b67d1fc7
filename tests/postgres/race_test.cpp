// SPDX-License-Identifier: MIT
// What happens when two come at one time: each interleaving is made, not waited for. A store's call is held in its
// midst by a gate at a row, or runs on while a handler's write, in the midst of its settle, does the other one's part.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/store.hpp"
#include "support/catch.hpp"
#include "support/postgres_fixture.hpp"
#include "support/sample_events.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;

/// A host's transaction on a connection of its own.
class other_host {
 public:
  explicit other_host(store_bench<postgres_fixture>& bench) : bench_{bench} { session_.run("BEGIN"); }
  ~other_host() { session_.run("ROLLBACK"); }  // before the connection ends, which nobody waits for
  other_host(const other_host&) = delete;
  other_host& operator=(const other_host&) = delete;

  void append(const event_record& record) { bench_.store().append(session_.get(), {&record, 1}); }
  std::vector<std::string> run(const std::string& sql) { return session_.run(bench_.with_names(sql)); }
  void commit() { session_.run("COMMIT"); }

 private:
  store_bench<postgres_fixture>& bench_;
  host_session session_;
};

class race_bench : public store_bench<postgres_fixture> {
 public:
  using store_bench::store_bench;

  /// As the row says it, whatever a claim would find.
  std::string state_of(const std::string& id) {
    return sql().run(with_names(fmt::format("SELECT state FROM @events WHERE id = '{}'", id))).at(0);
  }
  std::vector<std::string> leased() {
    return sql().run(with_names("SELECT id FROM @events WHERE state = 1 ORDER BY row"));
  }
  std::vector<std::string> claimed() { return texts_of(claim()); }

  /// Until so many of the server's sessions wait for a lock.
  void wait_until_blocked(std::size_t count) {
    wait_for("SELECT pid FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0", count);
  }
  /// Until the server has so many rows to show; the first one.
  std::string wait_for(const std::string& query, std::size_t count) {
    for (int tries = 0; tries < 10'000; ++tries) {
      const auto found = watch_.run(query);
      if (found.size() >= count) {
        return found.front();
      }
      std::this_thread::yield();
    }
    FAIL("nobody came for: " << query);
    return {};
  }

  void use_options(std::function<void(postgres::store_options&)> change) {
    change(options());
    close_store();
    open_store();
  }

 private:
  host_session watch_;
};

/// While it is closed, whoever changes a row to what `condition` says waits at that row: `when` is BEFORE it is
/// changed, or AFTER all rows of the statement are. Made while no transaction is open.
class gate {
 public:
  gate(race_bench& bench, std::string_view when, std::string_view condition) : bench_{bench} {
    bench_.sql().run(
        bench_.with_names("CREATE OR REPLACE FUNCTION @gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                          "PERFORM pg_advisory_xact_lock_shared(20260320); RETURN NEW; END $$"));
    const auto made = bench_.sql().run(bench_.with_names(fmt::format(
        "CREATE TRIGGER gate {} UPDATE ON @events FOR EACH ROW WHEN ({}) EXECUTE FUNCTION @gate()", when, condition)));
    REQUIRE(made.empty());
    key_.run("SELECT pg_advisory_lock(20260320)");
  }
  ~gate() {
    open();
    bench_.sql().run(bench_.with_names("DROP TRIGGER gate ON @events"));
  }
  gate(const gate&) = delete;
  gate& operator=(const gate&) = delete;

  void open() { key_.run("SELECT pg_advisory_unlock_all()"); }

 private:
  race_bench& bench_;
  host_session key_;
};

/// A call on a thread of its own.
template <class Result>
class other_thread {
 public:
  explicit other_thread(std::function<Result()> call)
      : thread_{[this, call = std::move(call)] {
          try {
            result_ = call();
          } catch (const std::exception& error) {
            thrown_ = error.what();
          }
        }} {}

  Result result() {
    thread_.join();
    INFO(thrown_);
    REQUIRE(result_);
    return *result_;
  }

 private:
  std::optional<Result> result_;
  std::string thrown_;
  std::jthread thread_;
};

using texts = std::vector<std::string>;
using claiming = other_thread<texts>;

// ---- Commits out of order ----

TEST_CASE(
    "race: an event that becomes visible after a later one of its key, one at a time, and who came after both is "
    "last") {
  race_bench bench;
  other_host slow{bench};
  slow.append(keyed("early"));
  bench.add(keyed("late"));
  const claimed_event late = bench.claim_one();
  CHECK(late.record.id == "late");
  slow.commit();
  bench.add(keyed("last"));
  CHECK(bench.claim().empty());

  SECTION("when the one that was faster fails, the earlier one goes first, and the last one does not overtake") {
    bench.settle(bench.retry(late, 1s));
    const claimed_event early = bench.claim_one();
    CHECK(early.record.id == "early");
    CHECK(bench.claim().empty());
    bench.settle(bench.end(early));
    CHECK(bench.claim().empty());  // "last" waits for "late", which waits for its instant
    bench.clock().advance(1s);
    const claimed_event again = bench.claim_one();
    CHECK(again.record.id == "late");
    bench.settle(bench.end(again));
    CHECK(bench.claimed() == texts{"last #1"});
  }
  SECTION("when it is done, the earlier one is next") {
    bench.settle(bench.end(late));
    const claimed_event early = bench.claim_one();
    CHECK(early.record.id == "early");
    bench.settle(bench.end(early));
    CHECK(bench.claimed() == texts{"last #1"});
  }
}

TEST_CASE("race: an event that becomes visible while a claim leases a later one of its key, one of them is leased") {
  race_bench bench;
  std::optional<other_host> slow;
  const auto append = [&] {
    slow.emplace(bench);
    slow->append(keyed("early"));
    bench.add("any", keyed("late"));
  };

  SECTION("the claim that was first finds the key taken and tries again; both claims succeed") {
    gate closed{bench, "BEFORE", "NEW.state = 1 AND NEW.id = 'late'"};
    append();
    claiming first{[&] { return bench.claimed(); }};
    bench.wait_until_blocked(1);
    slow->commit();
    CHECK(bench.claimed() == texts{"early #1"});
    closed.open();
    CHECK(first.result() == texts{"any #1"});
    CHECK(bench.leased() == texts{"early", "any"});
  }
  SECTION("the claim that was second finds the key taken and tries again; both claims succeed") {
    gate closed{bench, "AFTER", "NEW.state = 1 AND NEW.id = 'late'"};
    append();
    claiming first{[&] { return bench.claimed(); }};
    bench.wait_until_blocked(1);
    slow->commit();
    bench.add("more");
    claiming second{[&] { return bench.claimed(); }};
    bench.wait_until_blocked(2);
    closed.open();
    CHECK(first.result() == texts{"any #1", "late #1"});
    CHECK(second.result() == texts{"more #1"});
    CHECK(bench.leased() == texts{"any", "late", "more"});
  }
}

// ---- Redrive ----

TEST_CASE("race: a redrive during a claim, one event of the key is leased") {
  race_bench bench;
  bench.add(keyed("dead"));
  bench.settle(bench.bury(bench.claim_one()));
  bench.add(keyed("next"));

  SECTION("the claim that began earlier has not leased yet") {
    gate closed{bench, "BEFORE", "NEW.state = 1 AND NEW.id = 'next'"};
    claiming first{[&] { return bench.claimed(); }};
    bench.wait_until_blocked(1);
    CHECK(bench.redrive("dead") == std::vector<bool>{true});
    CHECK(bench.claimed() == texts{"dead #1"});
    closed.open();
    CHECK(first.result().empty());
    CHECK(bench.leased() == texts{"dead"});
  }
  SECTION("the claim that began earlier has leased, and is not committed") {
    gate closed{bench, "AFTER", "NEW.state = 1 AND NEW.id = 'next'"};
    claiming first{[&] { return bench.claimed(); }};
    bench.wait_until_blocked(1);
    CHECK(bench.redrive("dead") == std::vector<bool>{true});
    claiming second{[&] { return bench.claimed(); }};
    bench.wait_until_blocked(2);
    closed.open();
    CHECK(first.result() == texts{"next #1"});
    CHECK(second.result().empty());
    CHECK(bench.leased() == texts{"next"});
  }
}

// ---- What is never left blocked; nobody calls maintain ----

TEST_CASE("race: an event appended while its key's head is settled, is claimed next") {
  race_bench bench;
  bench.add(keyed("head"));
  const claimed_event head = bench.claim_one();

  SECTION("committed after the settle") {
    other_host slow{bench};
    slow.append(keyed("next"));
    bench.settle(bench.end(head));
    CHECK(bench.claim().empty());
    slow.commit();
  }
  SECTION("committed in the midst of the settle, and seen by a claim before the settle is committed") {
    auto ends = bench.end(head);
    ends.write = [&](postgres::connection&) {
      bench.add(keyed("next"));
      CHECK(bench.claim().empty());
    };
    CHECK(bench.settle(ends) == settle_status::applied);
  }
  SECTION("blocked by a claim that is not committed when the settle begins") {
    bench.add(keyed("next"));
    gate closed{bench, "BEFORE", "NEW.state = 4"};
    claiming claim{[&] { return bench.claimed(); }};
    bench.wait_until_blocked(1);
    other_thread<settle_status> settle{[&] { return bench.settle(bench.end(head)); }};
    bench.wait_until_blocked(2);
    closed.open();
    CHECK(claim.result().empty());
    CHECK(settle.result() == settle_status::applied);
  }
  SECTION("blocked by a claim that is not committed when the head is released") {
    bench.add(keyed("next"));
    gate closed{bench, "BEFORE", "NEW.state = 4"};
    claiming claim{[&] { return bench.claimed(); }};
    bench.wait_until_blocked(1);
    other_thread<std::size_t> release{[&] { return bench.release(head.held); }};
    bench.wait_until_blocked(2);
    closed.open();
    CHECK(claim.result().empty());
    CHECK(release.result() == 1);
    const claimed_event again = bench.claim_one();
    CHECK(again.record.id == "head");
    bench.settle(bench.end(again));
  }
  CHECK(bench.claimed() == texts{"next #1"});
}

TEST_CASE("race: an earlier event that is blocked while its key's head is released, is claimed next") {
  race_bench bench;
  other_host slow{bench};
  slow.append(keyed("early"));
  bench.add(keyed("head"));
  const claimed_event head = bench.claim_one();
  slow.commit();
  CHECK(bench.claim().empty());
  CHECK(bench.state_of("early") == "4");
  CHECK(bench.release(head.held) == 1);
  const claimed_event early = bench.claim_one();
  CHECK(early.record.id == "early");
  CHECK(bench.claim().empty());
  bench.settle(bench.end(early));
  CHECK(bench.claimed() == texts{"head #1"});
}

TEST_CASE("race: the event ahead is locked, none is blocked behind it") {
  race_bench bench;
  bench.add(keyed("head"), keyed("next"));
  const claimed_event head = bench.claim_one();
  bench.sql().run(bench.with_names("UPDATE @events SET state = 0 WHERE id = 'next'"));
  {
    other_host settling{bench};
    settling.run("SELECT 1 FROM @events WHERE id = 'head' FOR UPDATE");
    CHECK(bench.claim().empty());
    CHECK(bench.state_of("next") == "0");
  }
  CHECK(bench.claim().empty());
  CHECK(bench.state_of("next") == "4");
  bench.settle(bench.end(head));
  CHECK(bench.claimed() == texts{"next #1"});
}

// ---- What is busy ----

void end_query(const host_session& on) {
  const std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> cancel{PQgetCancel(on.get()), PQfreeCancel};
  std::array<char, 256> said{};
  PQcancel(cancel.get(), said.data(), static_cast<int>(said.size()));
  while (PGresult* const left = PQgetResult(on.get())) {
    PQclear(left);
  }
}

TEST_CASE("race: a lock that is held for longer than lock_timeout, busy, and stored at the next try") {
  race_bench bench;
  bench.use_options([](postgres::store_options& options) { options.lock_timeout = 20ms; });
  bench.add("evt");
  const claimed_event claim = bench.claim_one();
  {
    other_host holding{bench};
    holding.run("SELECT 1 FROM @events WHERE id = 'evt' FOR UPDATE");
    CHECK(refusal_cause([&] { bench.settle(bench.end(claim)); }) == store_errc::busy);
    CHECK(refusal_cause([&] { bench.renew(claim.held); }) == store_errc::busy);
    CHECK(refusal_cause([&] { bench.release(claim.held); }) == store_errc::busy);
    CHECK(bench.claim().empty());
  }
  CHECK(bench.settle(bench.end(claim)) == settle_status::applied);
  CHECK(bench.seen("evt") == "gone");
}

TEST_CASE("race: a settle that the server breaks off as a deadlock, it is tried again") {
  race_bench bench;
  bench.use_options([](postgres::store_options& options) {
    options.on_open = [](postgres::connection& on) { on.run("SET deadlock_timeout = '1ms'"); };
  });
  bench.sql().run(bench.with_names("INSERT INTO @texts (text) VALUES ('shared')"));
  bench.add("evt");
  auto ends = bench.end(bench.claim_one());
  host_session other;
  other.run("SET deadlock_timeout = '1h'");  // so that it is the store's session that finds the deadlock
  other.run(bench.with_names("BEGIN; UPDATE @texts SET text = 'mine'"));
  int tries = 0;
  ends.write = [&](postgres::connection& on) {
    if (++tries == 1) {
      REQUIRE(PQsendQuery(other.get(), bench.with_names("UPDATE @events SET source = 'mine'; ROLLBACK").c_str()) == 1);
      bench.wait_until_blocked(1);
    } else {
      end_query(other);  // it may have come to wait again
    }
    on.execute(bench.with_names("UPDATE @texts SET text = text || ', changed'"));
  };
  CHECK(bench.settle(ends) == settle_status::applied);
  CHECK(tries == 2);
  CHECK(bench.written() == texts{"shared, changed"});
}

TEST_CASE("race: a transaction that meets another one at each try, busy in the end") {
  race_bench bench;
  bench.add("evt");
  auto ends = bench.end(bench.claim_one());
  for (const std::string_view state : {"40P01", "40001"}) {
    int tries = 0;
    ends.write = [&](postgres::connection& on) {
      ++tries;
      on.run(fmt::format("DO $$ BEGIN RAISE EXCEPTION SQLSTATE '{}'; END $$", state));
    };
    INFO(state);
    CHECK(refusal_cause([&] { bench.settle(ends); }) == store_errc::busy);
    CHECK(tries == postgres::detail::most_tries);
  }
  CHECK(is_retryable(make_error_code(store_errc::busy)));
  ends.write = nullptr;
  CHECK(bench.settle(ends) == settle_status::applied);
}

// ---- A commit whose answer is lost ----

TEST_CASE("race: a claim's answer was lost and its lease is over by now, it is not given to who claims again") {
  race_bench bench;
  // Such a commit waits for a standby server that is not there (with_server.sh); a session that is broken off then has
  // committed.
  bool waits_for_standby = true;
  bench.options().on_open = [&](postgres::connection& fresh) {
    fresh.run(waits_for_standby ? "SET synchronous_commit = on" : "SET synchronous_commit = local");
  };
  bench.open_store();
  bench.add("evt");
  {
    other_thread<bool> claim{[&] { return refusal_cause([&] { bench.claim(); }) == store_errc::connection_lost; }};
    const std::string waiting = bench.wait_for("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'", 1);
    waits_for_standby = false;
    bench.sql().run(fmt::format("SELECT pg_terminate_backend({})", waiting));
    CHECK(claim.result());
  }
  CHECK(bench.seen("evt") == "leased 1 until 30000");

  SECTION("a lease that holds") {
    bench.clock().advance(10s);
    CHECK(bench.claimed() == texts{"evt #1"});
    CHECK(bench.seen("evt") == "leased 1 until 40000");
  }
  SECTION("another worker has it") {
    bench.clock().advance(30s);
    postgres_fixture::store_type other{test_server(), bench.options(), bench.clock()};
    CHECK(other.exchange({}, {10, 30s}).claimed.empty());
    CHECK(texts_of(other.exchange({}, {10, 30s, claim_kind::orphan}).claimed) == texts{"evt #1 isolated"});
    CHECK(bench.claim().empty());
  }
}

// ---- The server's time, and the end of a store ----

TEST_CASE("race: stores of two processes, what they write is the server's time") {
  store_bench<postgres_fixture_of<postgres::server_clock>> bench;
  const auto server_time = [&] {
    return std::stoll(bench.sql().run("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint").at(0));
  };
  const auto value = [&](std::string_view column) {
    return std::stoll(bench.sql().run(bench.with_names(fmt::format("SELECT {} FROM @events", column))).at(0));
  };
  const auto began = server_time();
  bench.add("evt");
  CHECK(value("available_at") >= began);
  const claimed_event claim = bench.claim_one();
  CHECK(value("leased_until") >= began + 30'000);
  CHECK(bench.renew(claim.held, 1h));
  CHECK(value("leased_until") >= began + 3'600'000);
  bench.settle(bench.retry(claim, 2h));
  CHECK(value("available_at") >= began + 7'200'000);
  CHECK(value("available_at") <= server_time() + 7'200'000);
}

TEST_CASE("race: a store that ends just after it told the others of a commit, it ends") {
  host_session other;
  postgres_fixture names;
  std::optional<postgres::store<>> telling;
  const auto open = [&] {
    telling.emplace(test_server(), postgres::store_options{.names = {.schema = "public", .prefix = names.prefix()}});
    while (telling->listening_connections() == 0) {
      std::this_thread::yield();
    }
  };
  const std::string outbox = names.sql().run(names.with_names("SELECT id FROM @outbox")).at(0);
  other.run(fmt::format("LISTEN \"event_relay_{}\"", outbox));
  for (int each = 0; each < 5; ++each) {
    open();
    telling->wake();
    PGnotify* told = nullptr;
    while (told == nullptr) {
      if (PQconsumeInput(other.get()) == 0) {
        FAIL("the server is gone");
      }
      told = PQnotifies(other.get());
      std::this_thread::yield();
    }
    PQfreemem(told);
    telling.reset();
  }
}

}  // namespace
