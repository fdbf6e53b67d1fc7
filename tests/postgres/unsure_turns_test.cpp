// SPDX-License-Identifier: MIT
// What became of a transaction whose end nobody heard, as the server says it.
#include "event_relay/postgres/unsure_turns.hpp"

#include <string>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/conninfo.hpp"
#include "event_relay/postgres/session.hpp"
#include "support/catch.hpp"
#include "support/postgres_fixture.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using postgres::detail::unsure_turns;

struct unsure_bench {
  unsure_turns turns;
  postgres::session on{postgres::conninfo{test_server()}, postgres::detail::name_expander{{"public", "unsure_"}}};
  host_session other;

  // The number of a transaction of the other session that is open.
  std::string begin() {
    other.run("BEGIN");
    return other.run("SELECT pg_current_xact_id()").at(0);
  }
  // A turn that settled row 7 and claimed row 8.
  void add(const std::string& number) {
    claimed_event claimed;
    claimed.held = {8, 2};
    turns.add({number, {{7, 1}}, {claimed}});
  }
  bool is_known() {
    return turns.take({7, 1}) && !turns.take({7, 1}) && turns.take_claimed(claim_kind::orphan, 5).empty() &&
           turns.take_claimed(claim_kind::ordinary, 5).size() == 1;
  }
  bool is_unknown() { return !turns.take({7, 1}) && turns.take_claimed(claim_kind::ordinary, 5).empty(); }
};

}  // namespace

TEST_CASE("unsure_turns: committed, its settlements and claims are known, once") {
  unsure_bench bench;
  bench.add(bench.begin());
  bench.other.run("COMMIT");
  bench.turns.resolve(bench.on);
  CHECK(bench.is_known());
  bench.turns.resolve(bench.on);
  CHECK(bench.is_unknown());
}

TEST_CASE("unsure_turns: rolled back, or never heard of by a server that took over, as if it had not been") {
  unsure_bench bench;
  bench.add(bench.begin());
  bench.other.run("ROLLBACK");
  bench.add("4000000000000");
  bench.turns.resolve(bench.on);
  CHECK(bench.is_unknown());
}

TEST_CASE("unsure_turns: still being decided, busy, and asked for again") {
  unsure_bench bench;
  bench.add(bench.begin());
  CHECK(refusal_cause([&] { bench.turns.resolve(bench.on); }) == make_error_code(store_errc::busy));
  bench.other.run("COMMIT");
  bench.turns.resolve(bench.on);
  CHECK(bench.is_known());
}
