// SPDX-License-Identifier: MIT
// The tables of older versions, which are kept in tests/data: a store that opens them finds every event in its state,
// with all that was known of it, and brings all of them to their ends.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "event_relay/core/instant.hpp"
#include "event_relay/outbox/dead_letter_store.hpp"
#include "event_relay/outbox/event_record.hpp"
#include "event_relay/outbox/settlement.hpp"
#include "event_relay/postgres/schema.hpp"
#include "event_relay/postgres/store.hpp"
#include "event_relay/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/postgres_fixture.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using store_type = postgres::store<testing::manual_clock>;
using texts = std::vector<std::string>;

// When the kept outbox was begun; all of its instants are near it.
constexpr instant begun{1'750'000'000'000ms};

std::int64_t since_begun(instant at) { return (at - begun).count(); }

/// The outbox of version 1, as it was left.
struct old_outbox {
  host_session sql;
  testing::manual_clock clock{begun + 6s};

  old_outbox() {
    const char* const folder = std::getenv("EVENT_RELAY_TEST_DATA");
    REQUIRE(folder != nullptr);
    std::ifstream file{fmt::format("{}/outbox_version_1.pgsql", folder)};
    const std::string script{std::istreambuf_iterator<char>{file}, {}};
    REQUIRE_FALSE(script.empty());
    sql.run("DROP SCHEMA IF EXISTS outbox_version_1 CASCADE");
    REQUIRE(sql.run(script) == texts{});
  }
  ~old_outbox() { sql.run("DROP SCHEMA outbox_version_1 CASCADE"); }

  postgres::store_options options() const {
    return {.names = {.schema = "outbox_version_1"},
            .failures_kept = 2,
            .keep_processed = 24h,
            .hints = postgres::wake_ups::polling};
  }
  texts version() { return sql.run("SELECT version FROM outbox_version_1.event_relay_outbox"); }
  texts count(const std::string& table) {
    return sql.run(fmt::format("SELECT count(*) FROM outbox_version_1.event_relay_{}", table));
  }
};

/// "state attempts/token key", and then whatever is not as it is for most; instants are since the outbox was begun.
std::string old_text_of(const stored_event& event) {
  std::string text = fmt::format("{} {}/{}", wire_name(event.state), event.attempts, event.token);
  text += event.record.ordering_key.empty() ? "" : " " + event.record.ordering_key;
  text += event.available_at == begun + 6s ? "" : fmt::format(" from {}", since_begun(event.available_at));
  text += event.leased_until ? fmt::format(" until {}", since_begun(*event.leased_until)) : "";
  text += event.dead_since ? fmt::format(" dead since {}", since_begun(*event.dead_since)) : "";
  text += event.reason ? fmt::format(" {}", wire_name(*event.reason)) : "";
  text += event.holds_key ? " holding" : "";
  text += event.kept_until ? fmt::format(" kept until {}", since_begun(*event.kept_until)) : "";
  for (const failure_record& each : event.failures) {
    text += fmt::format(", {}@{} {}", each.attempt, since_begun(each.at), each.text);
  }
  return text;
}

const std::map<std::string, std::string> left_by_version_1{
    {"crashed", "orphan 1/2 from 0, 1@4000 lease expired"},
    {"orphan", "orphan 0/3 orphaned-key from 4000"},
    {"behind-orphan", "blocked 0/0 orphaned-key"},
    {"dead", "dead-letter 1/4 released-key dead since 6000 rejected, 1@6000 card \"declined\" \\ O'Brien"},
    {"dead-holding", "dead-letter 1/5 held-key dead since 6000 rejected holding, 1@6000 held"},
    {"behind-held", "blocked 0/0 held-key"},
    {"processed", "processed 1/6 kept until 86406000"},
    {"processed-keyed", "processed 1/7 done-key kept until 86406000"},
    {"retried", "ready 3/10 from 3606000, 2@6000 second, 3@6000 third"},
    {"leased-keyed", "leased 1/11 leased-key until 66000"},
    {"behind-leased", "blocked 0/0 leased-key"},
    {"behind-leased-too", "blocked 0/0 leased-key"},
    {"leased", "leased 1/12 until 66000"},
    {"scheduled", "ready 0/0 from 7200000"},
    {"ready", "ready 0/0"},
    {"ready-keyed", "ready 0/0 ready-key"},
    {"behind-ready", "blocked 0/0 ready-key"}};

settlement<postgres::connection> end_of(const claimed_event& claim) {
  return {.held = claim.held,
          .name = claim.record.name,
          .ordering_key = claim.record.ordering_key,
          .status = attempt_status::processed,
          .attempt = claim.attempt,
          .has_history = claim.failures > 0};
}

}  // namespace

TEST_CASE("postgres migration: an outbox of version 1, every event found in its state with all its values") {
  old_outbox old;
  REQUIRE(old.version() == texts{"1"});
  store_type store{test_server(), old.options(), old.clock};
  CHECK(old.version() == texts{fmt::format("{}", postgres::detail::schema_version)});
  CHECK(old.count("events") == texts{fmt::format("{}", left_by_version_1.size())});
  for (const auto& [id, expected] : left_by_version_1) {
    INFO(id);
    const auto found = store.find(id);
    REQUIRE(found.has_value());
    CHECK(old_text_of(*found) == expected);
    CHECK(found->record.id == id);
    CHECK(found->record.payload == fmt::format("{{\"id\":\"{}\"}}", id));
    CHECK(found->record.correlation_id == "corr-" + id);
    CHECK((found->record.occurred_at == begun - 1s));
  }
  const event_record ready = store.find("ready")->record;
  CHECK(ready.name == "booking.created");
  CHECK(ready.replayed);
  CHECK(ready.caused_by == "processed");
  CHECK(ready.trace == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  CHECK(ready.source == "Grüße ☃");
  CHECK_FALSE(store.find("leased")->record.replayed);

  const queue_metrics metrics = store.metrics();
  CHECK(metrics.ready == 2);
  CHECK(metrics.scheduled == 2);
  CHECK(metrics.leased == 2);
  CHECK(metrics.orphans == 2);
  CHECK(metrics.blocked == 5);
  CHECK(metrics.dead_letters == 2);
  CHECK(metrics.held_keys == 1);
  texts outcomes;
  for (const outcome_counts& each : metrics.outcomes) {
    outcomes.push_back(fmt::format("{} {} {} {}", each.name, each.processed, each.retried, each.dead_lettered));
  }
  CHECK(outcomes == texts{"booking.completed 2 0 0", "booking.created 0 3 0", "payment.captured 0 0 2"});
}

TEST_CASE("postgres migration: an outbox of version 1, every event runs to its end, in the order of its key") {
  old_outbox old;
  store_type store{test_server(), old.options(), old.clock};
  CHECK(store.redrive(std::vector<redrive_request>{{"dead", old.clock.now()}, {"dead-holding", old.clock.now()}}) ==
        std::vector<bool>{true, true});

  std::vector<claimed_event> claims;
  for (int exchanges = 0; store.has_unfinished(); ++exchanges) {
    REQUIRE(exchanges < 100);
    std::vector<claimed_event> claimed;
    for (const claim_kind kind : {claim_kind::ordinary, claim_kind::orphan}) {
      const auto some = store.exchange({}, {100, 30s, kind}).claimed;
      claimed.insert(claimed.end(), some.begin(), some.end());
    }
    std::vector<settlement<postgres::connection>> ends;
    std::transform(claimed.begin(), claimed.end(), std::back_inserter(ends), end_of);
    for (const settle_result& each : settle(store, std::span<const settlement<postgres::connection>>{ends})) {
      CHECK(each.status == settle_status::applied);
    }
    claims.insert(claims.end(), claimed.begin(), claimed.end());
    if (claimed.empty()) {
      old.clock.advance(10min);  // for leases and instants
    }
  }

  std::map<std::string, std::string> attempts;
  std::map<std::string, texts> by_key;
  std::set<std::uint64_t> tokens;
  for (const claimed_event& each : claims) {
    attempts[each.record.id] = text_of(each);
    by_key[each.record.ordering_key].push_back(each.record.id);
    tokens.insert(each.held.token);
  }
  CHECK(claims.size() == left_by_version_1.size() - 2);  // two were processed by version 1
  CHECK(attempts.size() == claims.size());
  CHECK(attempts["crashed"] == "crashed #2 isolated crashed");
  CHECK(attempts["orphan"] == "orphan #1 isolated");
  CHECK(attempts["leased"] == "leased #1 isolated");  // its lease ran out
  CHECK(attempts["retried"] == "retried #4");
  CHECK(attempts["dead"] == "dead #1");
  CHECK(by_key["orphaned-key"] == texts{"orphan", "behind-orphan"});
  CHECK(by_key["held-key"] == texts{"dead-holding", "behind-held"});
  CHECK(by_key["leased-key"] == texts{"leased-keyed", "behind-leased", "behind-leased-too"});
  CHECK(by_key["ready-key"] == texts{"ready-keyed", "behind-ready"});
  CHECK(*tokens.begin() > 12);  // no token comes again

  old.clock.advance(25h);
  store.maintain(100);
  CHECK(old.count("events") == texts{"0"});
  CHECK(old.count("failures") == texts{"0"});
}

TEST_CASE("postgres migration: several stores that open an outbox of version 1 at once, and again, changed once") {
  old_outbox old;
  std::vector<std::string> failures(4);
  {
    std::vector<std::jthread> all;
    for (std::string& each : failures) {
      all.emplace_back([&] {
        each = store_refusal_of([&] { store_type{test_server(), old.options(), old.clock}; }).text;
      });
    }
  }
  CHECK(failures == std::vector<std::string>(4, "not refused"));
  CHECK(old.version() == texts{fmt::format("{}", postgres::detail::schema_version)});
  CHECK(old.sql.run("SELECT id FROM outbox_version_1.event_relay_outbox") ==
        texts{"d2467426-1968-4614-b267-ceee00931af1"});
}
