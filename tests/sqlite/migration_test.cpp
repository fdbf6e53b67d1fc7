// SPDX-License-Identifier: MIT
// A database that the last release left behind (tests/data/outbox_version_2.sqlite): opened by this one, with every
// event as it was, and worked on to its end.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "event_relay/outbox/store.hpp"
#include "event_relay/sqlite/schema.hpp"
#include "event_relay/sqlite/store.hpp"
#include "event_relay/testing/manual_clock.hpp"
#include "support/catch.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using event_relay::testing::manual_clock;

// Its events were appended in the summer of 2025, and all its leases have expired by then.
constexpr instant later{1'749'700'000'000ms};

struct kept_database {
  temporary_folder folder;
  std::string path = folder / "outbox.sqlite";
  manual_clock clock{later};

  kept_database() { std::filesystem::copy_file(std::string{EVENT_RELAY_TEST_DATA} + "/outbox_version_2.sqlite", path); }
};

// "ready 0 of car-2, 1 failures".
std::string shown(const std::optional<stored_event>& event) {
  if (!event) {
    return "gone";
  }
  std::string text = fmt::format("{} {}", wire_name(event->state), event->attempts);
  text += event->record.ordering_key.empty() ? "" : " of " + event->record.ordering_key;
  text += event->holds_key ? " holding" : "";
  text += event->reason ? fmt::format(" {}", wire_name(*event->reason)) : "";
  text += event->failures.empty() ? "" : fmt::format(", {} failures", event->failures.size());
  return text;
}

}  // namespace

TEST_CASE("migration: a kept database of version 2, every event found as it was") {
  kept_database old;
  sqlite::store<manual_clock> store{old.path, {}, old.clock};
  sqlite::connection looking{old.path, 0ms};
  CHECK(looking.integer("SELECT version FROM event_relay_outbox", 0) == sqlite::detail::schema_version);

  struct row {
    const char* id;
    const char* expected;
  };
  for (const auto& [id, expected] : std::vector<row>{
           {"isolated", "leased 2, 1 failures"},
           {"crashed", "orphan 1, 1 failures"},
           {"orphan", "orphan 0"},
           {"leased", "leased 1 of car-4"},
           {"blocked", "blocked 0 of car-4"},
           {"dead", "dead-letter 4 of car-2 max-attempts-exhausted, 3 failures"},
           {"after-dead", "ready 0 of car-2"},
           {"holding", "dead-letter 1 of car-3 holding rejected, 1 failures"},
           {"held", "blocked 0 of car-3"},
           {"redriven", "ready 0, 1 failures"},
           {"undecodable", "dead-letter 1 undecodable, 1 failures"},
           {"processed", "processed 1 of car-1"},
           {"retried", "ready 1, 1 failures"},
           {"follow-up", "ready 0"},
           {"ready", "ready 0"},
           {"scheduled", "ready 0"},
       }) {
    INFO(id);
    CHECK(shown(store.find(id)) == expected);
  }
  CHECK(store.find("dead")->failures.back().text == "timeout 4");
  CHECK(store.find("dead")->dead_since == instant{1'748'736'090'000ms});
  CHECK(store.find("retried")->available_at == instant{1'748'743'290'000ms});
  CHECK(store.metrics().outcomes == std::vector<outcome_counts>{{"booking.created", 9, 1, 4, 4}});
}

TEST_CASE("migration: a kept database of version 2, everything in it runs to its end") {
  kept_database old;
  sqlite::store<manual_clock> store{old.path, {}, old.clock};
  using settlement = settlement<sqlite::connection>;
  std::multiset<std::string> attempted;
  const auto work = [&] {
    bool has_found = true;
    while (std::exchange(has_found, false)) {
      for (const claim_kind kind : {claim_kind::ordinary, claim_kind::orphan}) {
        for (const claimed_event& each : store.exchange({}, {100, 30s, kind}).claimed) {
          CHECK(each.held.token > 13);  // the last one that the old release gave
          attempted.insert(each.record.id);
          const settlement end{.held = each.held,
                               .name = each.record.name,
                               .ordering_key = each.record.ordering_key,
                               .attempt = each.attempt};
          has_found = settle(store, std::span<const settlement>{&end, 1}).at(0).status == settle_status::applied;
        }
      }
    }
  };
  work();
  CHECK(attempted == std::multiset<std::string>{"after-dead", "blocked", "crashed", "follow-up", "isolated", "leased",
                                                "orphan", "ready", "redriven", "retried", "scheduled"});
  CHECK_FALSE(store.has_unfinished());
  const std::vector<std::string> holder{"holding"};
  CHECK(store.purge(holder) == 1);
  work();
  CHECK(attempted.count("held") == 1);
  store.maintain(100);
  CHECK(shown(store.find("processed")) == "gone");
  CHECK(store.metrics().dead_letters == 2);
}
