// SPDX-License-Identifier: MIT
// What became of a transaction whose end is in doubt, as the server says it.
#include "event_relay/postgres/in_doubt_commits.hpp"

#include <string>

#include "event_relay/outbox/store_error.hpp"
#include "event_relay/postgres/driver/conninfo.hpp"
#include "event_relay/postgres/session.hpp"
#include "support/catch.hpp"
#include "support/postgres_fixture.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using postgres::detail::in_doubt_commits;

struct in_doubt_bench {
  in_doubt_commits commits;
  postgres::detail::session on{postgres::connection{postgres::conninfo{test_server()}},
                               postgres::detail::statement_names{{"public", "in_doubt_"}}};
  host_session other;

  // The number of a transaction of the other session that is open.
  std::string begin() {
    other.run("BEGIN");
    return other.run("SELECT pg_current_xact_id()").at(0);
  }
  // An exchange that settled row 7 and claimed row 8.
  void add(const std::string& number) {
    claimed_event claimed;
    claimed.held = {8, 2};
    commits.add({number, {{7, 1}}, {claimed}});
  }
  bool is_known() {
    return commits.take({7, 1}) && !commits.take({7, 1}) && commits.take_claimed(claim_kind::orphan, 5).empty() &&
           commits.take_claimed(claim_kind::ordinary, 5).size() == 1;
  }
  bool is_unknown() { return !commits.take({7, 1}) && commits.take_claimed(claim_kind::ordinary, 5).empty(); }
};

}  // namespace

TEST_CASE("in_doubt_commits: committed, its settlements and claims are known, once") {
  in_doubt_bench bench;
  bench.add(bench.begin());
  bench.other.run("COMMIT");
  bench.commits.resolve(bench.on);
  CHECK(bench.is_known());
  bench.commits.resolve(bench.on);
  CHECK(bench.is_unknown());
}

TEST_CASE("in_doubt_commits: rolled back, or unknown to a server that took over, as if it had not been") {
  in_doubt_bench bench;
  bench.add(bench.begin());
  bench.other.run("ROLLBACK");
  bench.add("4000000000000");
  bench.commits.resolve(bench.on);
  CHECK(bench.is_unknown());
}

TEST_CASE("in_doubt_commits: still being decided, busy, and asked for again") {
  in_doubt_bench bench;
  bench.add(bench.begin());
  CHECK(refusal_cause([&] { bench.commits.resolve(bench.on); }) == make_error_code(store_errc::busy));
  bench.other.run("COMMIT");
  bench.commits.resolve(bench.on);
  CHECK(bench.is_known());
}
