// SPDX-License-Identifier: MIT
// Commits of other processes wake an idle worker, by one notification for many of them. A connection that is cut is
// made anew.
#include "event_relay/postgres/listener.hpp"

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "event_relay/outbox/wake_signal.hpp"
#include "event_relay/postgres/store.hpp"
#include "support/catch.hpp"
#include "support/postgres_fixture.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using texts = std::vector<std::string>;

// Two stores of one outbox, as two processes have them.
struct two_processes : store_bench<postgres_fixture> {
  two_processes() { open_store(); }
  postgres::store<> other{test_server(), notifying()};

  // For tests that would otherwise wait for ever.
  static void wait_beyond(wake_signal& signal, std::uint64_t seen) { signal.wait(seen, 60s, std::stop_token{}); }
  static void wait_until_listening(postgres::store<>& store, std::uint64_t connections) {
    for (std::uint64_t seen = store.signal().count(); store.listening_connections() < connections;
         seen = store.signal().count()) {
      store.signal().wait(seen, 20ms, std::stop_token{});
    }
  }

 private:
  const postgres::store_options& notifying() {
    options().hints = postgres::wake_ups::notify;
    return options();
  }
};

}  // namespace

TEST_CASE("postgres wake-ups: a commit in one process wakes the workers of another") {
  two_processes on;
  two_processes::wait_until_listening(on.other, 1);
  const std::uint64_t before = on.other.signal().count();
  on.add("a");
  two_processes::wait_beyond(on.other.signal(), before);
  CHECK(on.other.signal().count() > before);
  CHECK(texts_of(on.other.exchange({}, {1, 30s}).claimed) == texts{"a #1"});
}

TEST_CASE("postgres wake-ups: redriven and purged dead letters wake the others as well") {
  two_processes on;
  two_processes::wait_until_listening(on.other, 1);
  on.add("a");
  on.settle(two_processes::bury(on.claim_one()));
  const std::uint64_t before = on.other.signal().count();
  on.redrive("a");
  two_processes::wait_beyond(on.other.signal(), before);
  CHECK(on.other.signal().count() > before);
}

TEST_CASE("postgres wake-ups: nothing is notified in the host's own transaction") {
  two_processes on;
  host_session listening;
  listening.run("LISTEN nothing");
  on.begin();
  on.append("a");
  on.sql().run("LISTEN nothing");
  CHECK(on.sql().run("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'object'") ==
        texts{"0"});
  on.commit();
  CHECK(PQnotifies(on.host()) == nullptr);
}

TEST_CASE("postgres wake-ups: a cut connection is made anew, says so by a hint, and hears again") {
  two_processes on;
  two_processes::wait_until_listening(on.other, 1);
  const std::uint64_t made = on.other.listening_connections();
  const std::uint64_t before = on.other.signal().count();
  on.sql().run(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE '%LISTEN%' AND pid <> "
      "pg_backend_pid()");
  two_processes::wait_until_listening(on.other, made + 1);
  CHECK(on.other.signal().count() > before);
  const std::uint64_t anew = on.other.signal().count();
  // The connection of the store that appends was cut as well; it tells the others as soon as it is back.
  on.add("a");
  two_processes::wait_beyond(on.other.signal(), anew);
  CHECK(on.other.signal().count() > anew);
}

TEST_CASE("postgres wake-ups: a store without them, no connection for it, and its own workers are woken still") {
  store_bench<postgres_fixture> on;
  CHECK(on.store().listening_connections() == 0);
  const std::uint64_t before = on.hints();
  on.add("a");
  CHECK(on.hints() > before);
}
