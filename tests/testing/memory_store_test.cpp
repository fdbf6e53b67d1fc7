// SPDX-License-Identifier: MIT
// The store in memory: the contract of every store, and that a host's transaction may be thrown away.
#include "event_relay/testing/memory_store.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "event_relay/outbox/store.hpp"
#include "event_relay/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/claim_limit_contract.hpp"
#include "support/memory_fixture.hpp"
#include "support/ordering_contract.hpp"
#include "support/retention_contract.hpp"
#include "support/sample_events.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using testing::memory_store;

using memory_fixture = memory_fixture_of<memory_store>;

[[maybe_unused]] const bool is_registered = register_store_contract<memory_fixture>("memory_store") &&
                                            register_ordering_contract<memory_fixture>("memory_store") &&
                                            register_claim_limit_contract<memory_fixture>("memory_store") &&
                                            register_retention_contract<memory_fixture>("memory_store");

static_assert(event_store<memory_store>);
static_assert(!event_store<const memory_store>);
static_assert(!event_store<testing::manual_clock>);
static_assert(!event_store<int>);

}  // namespace

TEST_CASE("memory_store: by default, a clock that stands at the beginning of 1970, and 10 failures kept") {
  memory_store store;
  CHECK((store.now() == instant{}));
  CHECK_FALSE(store.warning().has_value());
  memory_store::host_transaction host{store};
  store.append(host, std::vector{record_of("a")});
  host.commit();
  for (int attempt = 0; attempt < 11; ++attempt) {
    const auto claims = claim(store, {1, std::chrono::seconds{30}}).claimed;
    settle<memory_store>(store, std::vector{store_bench<memory_fixture>::retry(claims.at(0), {}, "busy")});
  }
  CHECK(store.find("a")->failures.size() == 10);
}

TEST_CASE("memory_store: a host's transaction used again after its commit, only what is new is appended") {
  memory_store store;
  memory_store::host_transaction host{store};
  store.append(host, std::vector{record_of("a")});
  host.commit();
  settle<memory_store>(
      store, std::vector{store_bench<memory_fixture>::end(claim(store, {1, std::chrono::seconds{30}}).claimed.at(0))});
  store.append(host, std::vector{record_of("b")});
  host.commit();
  CHECK_FALSE(store.find("a").has_value());
  CHECK(store.find("b").has_value());
}
