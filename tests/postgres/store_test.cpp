// SPDX-License-Identifier: MIT
#include "event_relay/postgres/store.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/claim_limit_contract.hpp"
#include "support/dead_letter_contract.hpp"
#include "support/ordering_contract.hpp"
#include "support/postgres_fixture.hpp"
#include "support/retention_contract.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay_test;

[[maybe_unused]] const bool is_registered = register_store_contract<postgres_fixture>("postgres::store") &&
                                            register_ordering_contract<postgres_fixture>("postgres::store") &&
                                            register_claim_limit_contract<postgres_fixture>("postgres::store") &&
                                            register_retention_contract<postgres_fixture>("postgres::store") &&
                                            register_dead_letter_contract<postgres_fixture, 10'000>("postgres::store");

}  // namespace

TEST_CASE("postgres::store: opened with no failures to keep, those of a processed event gone with it") {
  using bench = store_bench<postgres_fixture>;
  bench on;
  on.add("a");
  on.settle(bench::retry(on.claim_one(), {}, "busy"));
  on.close_store();
  on.options().failures_kept = 0;
  on.open_store();
  on.settle(bench::end(on.claim_one()));
  CHECK(on.seen("a") == "gone");
  CHECK(on.sql().run(on.with_names("SELECT count(*) FROM @failures")) == std::vector<std::string>{"0"});
}
