// SPDX-License-Identifier: MIT
// The contract of keeping processed events for every store that can: for how long, what they still mean, and how
// they go.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "support/catch.hpp"
#include "support/store_contract.hpp"

namespace event_relay_test {

/// The fixture is made with how many failures are kept, and for how long processed events are.
template <store_fixture Fixture>
bool register_retention_contract(std::string unit) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = store_bench<Fixture>;
  const contract_registrar test{std::move(unit)};

  test("retention, processed: kept with what failed before, and claimed no more", [] {
    bench on{10, 60s};
    on.add("a");
    on.settle(on.retry(on.claim_one(), 0ms, "busy"));
    CHECK(on.settle(on.end(on.claim_one())) == settle_status::applied);
    CHECK(on.seen("a") == "processed 2 kept until 60000, 1@0 busy");
    CHECK(on.claim().empty());
    CHECK_FALSE(on.store().has_unfinished());
    CHECK_FALSE(on.look().next_due.has_value());
  });

  test("retention, by default nothing is kept", [] {
    bench on;
    on.add("a");
    on.settle(on.end(on.claim_one()));
    CHECK(on.seen("a") == "gone");
    CHECK_FALSE(on.store().maintain(10));
  });

  test("retention, an id is taken while its event is kept, and free afterwards", [] {
    bench on{10, 60s};
    on.add("a");
    on.settle(on.end(on.claim_one()));
    CHECK(on.add("a") == std::vector{append_status::duplicate});
    CHECK(on.claim().empty());
    on.clock().advance(60s);
    on.store().maintain(10);
    CHECK(on.add("a") == std::vector{append_status::appended});
    CHECK(on.claim_one().attempt == 1);
  });

  test("retention, a follow-up whose event is kept is not appended again", [] {
    bench on{10, 60s};
    on.add("cause", "again");
    auto claims = on.claim();
    on.settle(on.end_with(claims.at(0), {record_of("mail")}));
    on.settle(on.end(on.claim_one()));
    on.settle(on.end_with(claims.at(1), {record_of("mail")}));
    CHECK(on.claim().empty());
  });

  test("retention, maintain: what is over goes, its failures too, and nothing sooner", [] {
    bench on{10, 60s};
    on.add("a");
    on.settle(on.retry(on.claim_one(), 0ms, "busy"));
    on.settle(on.end(on.claim_one()));
    on.clock().advance(60s - 1ms);
    on.store().maintain(10);
    CHECK(on.seen("a") == "processed 2 kept until 60000, 1@0 busy");
    on.clock().advance(1ms);
    on.store().maintain(10);
    CHECK(on.seen("a") == "gone");
    on.add("a");
    CHECK(on.seen("a") == "ready 0 due 60000");
  });

  test("retention, maintain: so many at a time, and true until fewer are left", [] {
    bench on{10, 60s};
    for (int each = 0; each < 7; ++each) {
      on.add(fmt::format("evt-{}", each));
    }
    for (const claimed_event& each : on.claim()) {
      on.settle(on.end(each));
      on.clock().advance(1s);
    }
    on.clock().advance(60s);
    const auto kept = [&] {
      int count = 0;
      for (int each = 0; each < 7; ++each) {
        count += on.seen(fmt::format("evt-{}", each)) == "gone" ? 0 : 1;
      }
      return count;
    };
    CHECK(on.store().maintain(3));
    CHECK(kept() == 4);
    CHECK(on.store().maintain(3));
    CHECK(kept() == 1);
    CHECK(on.seen("evt-6") != "gone");
    CHECK_FALSE(on.store().maintain(3));
    CHECK(kept() == 0);
    CHECK_FALSE(on.store().maintain(3));
  });

  test("retention, maintain: what waits, is leased or dead stays, however old", [] {
    bench on{10, 1s};
    on.add("leased");
    const auto leased = on.claim_one();
    on.add("dead");
    on.settle(on.bury(on.claim_one()));
    on.add("ready");
    on.clock().advance(24h);
    on.renew(leased.held, 30s);
    CHECK_FALSE(on.store().maintain(10));
    for (const char* id : {"leased", "dead", "ready"}) {
      INFO(id);
      CHECK(on.seen(id) != "gone");
    }
  });

  test("retention, a kept event of a key blocks none of its key", [] {
    bench on{10, 20s};
    on.add(keyed("a"), keyed("b"));
    on.settle(on.end(on.claim_one()));
    CHECK(on.claim_one().record.id == "b");
    on.add(keyed("c"));
    CHECK(on.claim().empty());
    on.clock().advance(20s);
    on.store().maintain(10);
    CHECK(on.claim().empty());
    CHECK(on.seen("a") == "gone");
    CHECK(on.seen("b") == "leased 1 until 30000");
  });

  test("retention, a stale settle keeps nothing", [] {
    bench on{10, 60s};
    on.add("a");
    const auto late = on.claim_one();
    on.clock().advance(bench::lease_length);
    on.claim_orphan();
    CHECK(on.settle(on.end(late)) == settle_status::stale);
    CHECK(on.seen("a") == "leased 1 until 60000");
  });

  test("retention, forever: the instant does not overflow", [] {
    bench on{10, std::chrono::milliseconds::max()};
    on.add("a");
    on.settle(on.end(on.claim_one()));
    on.clock().advance(24h * 365 * 100);
    CHECK_FALSE(on.store().maintain(10));
    CHECK(on.seen("a") != "gone");
  });
  return true;
}

}  // namespace event_relay_test
