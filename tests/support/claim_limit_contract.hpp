// SPDX-License-Identifier: MIT
// The contract of claims with limits for every event_store: no more events of a name than allowed, and nobody else
// kept waiting for that.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/outbox/claim_request.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "support/catch.hpp"
#include "support/store_contract.hpp"

namespace event_relay_test {

template <store_fixture Fixture>
bool register_claim_limit_contract(std::string unit) {
  using namespace event_relay;
  using namespace std::chrono_literals;
  using bench = store_bench<Fixture>;
  using claim_limits = std::vector<claim_limit>;
  using claimed = std::vector<std::string>;
  const contract_registrar test{std::move(unit)};
  static constexpr auto look = [](bench& on, const claim_limits& most, std::size_t limit = 100) {
    return on.store().exchange({}, {limit, bench::lease_length, claim_kind::ordinary, most});
  };

  test("claim limit, at most so many of a name, the oldest, and all of the others", [] {
    bench on;
    on.add(named("m1", "mail"), named("m2", "mail"), named("p1", "push"), named("m3", "mail"), named("p2", "push"));
    CHECK(texts_of(look(on, {{"mail", 2}}).claimed) == claimed{"m1 #1", "m2 #1", "p1 #1", "p2 #1"});
    CHECK(texts_of(look(on, {{"mail", 1}}).claimed) == claimed{"m3 #1"});
    CHECK(look(on, {{"mail", 1}}).claimed.empty());
  });

  test("claim limit, none of a name: it is as if the name's events were not there, nor their instant", [] {
    bench on;
    on.add(named("m1", "mail"));
    CHECK(look(on, {{"mail", 0}}).claimed.empty());
    CHECK_FALSE(look(on, {{"mail", 0}}).next_due.has_value());
    CHECK(on.store().has_unfinished());
    CHECK(on.seen("m1") == "ready 0");
    CHECK(texts_of(look(on, {{"push", 0}}).claimed) == claimed{"m1 #1"});
  });

  test("claim limit, oldest first over all names, up to the limit", [] {
    bench on;
    on.add(named("1", "c"), named("2", "a"), named("3", "b"), named("4", "a"), named("5", "c"));
    CHECK(texts_of(look(on, {{"a", 1}}, 3).claimed) == claimed{"1 #1", "2 #1", "3 #1"});
    CHECK(texts_of(look(on, {{"a", 1}}, 1).claimed) == claimed{"4 #1"});
    CHECK(texts_of(look(on, {{"a", 1}}, 3).claimed) == claimed{"5 #1"});
  });

  test("claim limit, by instant first, and by append where that is the same", [] {
    bench on;
    event_record late = named("late", "a");
    late.available_at = on.clock().now() + 5s;
    event_record soon = named("soon", "b");
    soon.available_at = on.clock().now() + 1s;
    on.add(late, soon, named("at once", "a"));
    CHECK(texts_of(look(on, {{"a", 5}, {"b", 5}}).claimed) == claimed{"at once #1"});
    on.clock().advance(5s);
    CHECK(texts_of(look(on, {{"a", 5}, {"b", 5}}).claimed) == claimed{"soon #1", "late #1"});
  });

  test("claim limit, next due: of names with a claim limit left, and of leases", [] {
    bench on;
    event_record later = named("later", "b");
    later.available_at = on.clock().now() + 7s;
    on.add(named("a1", "a"), named("a2", "a"), later);
    const exchange_result first = look(on, {{"a", 1}, {"b", 1}});
    CHECK(texts_of(first.claimed) == claimed{"a1 #1"});
    CHECK((first.next_due == on.clock().now() + 7s));
    CHECK((look(on, {{"a", 0}, {"b", 0}}).next_due == on.clock().now() + bench::lease_length));
    CHECK(texts_of(look(on, {{"a", 2}}).claimed) == claimed{"a2 #1"});
  });

  test("claim limit, larger than the limit: the limit", [] {
    bench on;
    on.add(named("1", "a"), named("2", "a"), named("3", "a"));
    CHECK(look(on, {{"a", 1'000}}, 2).claimed.size() == 2);
  });

  test("claim limit, an orphan is claimed whatever its name's", [] {
    bench on;
    on.add(named("m1", "mail"));
    on.claim_one();
    on.clock().advance(bench::lease_length);
    const claim_limits none{{"mail", 0}};
    const exchange_result ordinary = on.store().exchange({}, {10, bench::lease_length, claim_kind::ordinary, none});
    CHECK(ordinary.claimed.empty());
    CHECK(ordinary.orphans_waiting);
    CHECK(texts_of(on.store().exchange({}, {10, bench::lease_length, claim_kind::orphan, none}).claimed) ==
          claimed{"m1 #1 isolated"});
  });

  test("claim limit, only the heads of keys count", [] {
    bench on;
    const auto keyed_as = [](std::string name, std::string id, std::string key) {
      event_record record = named(std::move(id), std::move(name));
      record.ordering_key = std::move(key);
      return record;
    };
    on.add(keyed_as("a", "1", "k"), keyed_as("a", "2", "k"), keyed_as("a", "3", "l"), keyed_as("b", "4", "l"));
    const exchange_result result = look(on, {{"a", 2}, {"b", 2}});
    CHECK(texts_of(result.claimed) == claimed{"1 #1", "3 #1"});
    on.settle(on.end(result.claimed.at(1)));
    CHECK(texts_of(look(on, {{"a", 0}}).claimed) == claimed{"4 #1"});
  });

  test("claim limit, settled and claimed in one exchange", [] {
    bench on;
    on.add(named("1", "a"), named("2", "a"), named("3", "b"));
    const auto first = look(on, {{"a", 1}, {"b", 0}}).claimed;
    const std::vector<typename bench::settlement> ends{bench::retry(first.at(0))};
    const claim_limits most{{"a", 1}, {"b", 0}};
    const exchange_result result = on.store().exchange(ends, {10, bench::lease_length, claim_kind::ordinary, most});
    CHECK(result.settled.at(0).status == settle_status::applied);
    CHECK(texts_of(result.claimed) == claimed{"1 #2"});
  });

  test("claim limit, by chance: what a claim without them would give, less what is too much", [] {
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
      INFO("seed " << seed);
      std::mt19937 draw{seed};
      bench on;
      std::vector<event_record> due;
      for (int each = 0; each < 40; ++each) {
        event_record record = named(fmt::format("evt-{}", each), fmt::format("n{}", draw() % 4));
        record.available_at = on.clock().now() - std::chrono::milliseconds{draw() % 5};
        on.add(record);
        due.push_back(record);
      }
      std::stable_sort(due.begin(), due.end(),
                       [](const auto& one, const auto& other) { return *one.available_at < *other.available_at; });
      const claim_limits most{{"n0", draw() % 4}, {"n1", draw() % 20}, {"n3", 0}};
      const std::size_t limit = 1 + draw() % 40;
      std::map<std::string, std::size_t> taken;
      claimed expected;
      for (const event_record& each : due) {
        const claim_request request{limit, bench::lease_length, claim_kind::ordinary, most};
        if (expected.size() < limit && taken[each.name] < request.most_of(each.name)) {
          ++taken[each.name];
          expected.push_back(each.id + " #1");
        }
      }
      CHECK(texts_of(look(on, most, limit).claimed) == expected);
    }
  });
  return true;
}

}  // namespace event_relay_test
