// SPDX-License-Identifier: MIT
// The wire names of where an event stands, and what a record holds that was given the least.
#include "event_relay/outbox/event_record.hpp"

#include <optional>

#include "event_relay/core/decision.hpp"

#include "support/catch.hpp"

namespace {

using namespace event_relay;

static_assert(wire_name(event_state::ready) == "ready");
static_assert(wire_name(event_state::leased) == "leased");
static_assert(wire_name(event_state::orphan) == "orphan");
static_assert(wire_name(event_state::dead_letter) == "dead-letter");
static_assert(wire_name(static_cast<event_state>(99)) == "unknown");

// A stored state reads as the decision that led to it.
static_assert(wire_name(event_state::dead_letter) == wire_name(attempt_status::dead_letter));

}  // namespace

TEST_CASE("event_record: given the least, of no cause, no trace, no source and due at once") {
  const event_record record{"evt-1", "booking.created", "{}", instant{}, "corr-1"};
  CHECK_FALSE(record.replayed);
  CHECK((record.caused_by.empty() && record.trace.empty() && record.source.empty()));
  CHECK(record.available_at == std::nullopt);
}

TEST_CASE("event_record: one part changed, another record") {
  const event_record record{"evt-1", "booking.created", "{}", instant{}, "corr-1"};
  const auto changed = [&](auto change) {
    event_record other = record;
    change(other);
    return !(other == record);
  };
  CHECK((event_record{record} == record));
  CHECK(changed([](event_record& other) { other.id = "x"; }));
  CHECK(changed([](event_record& other) { other.name = "x"; }));
  CHECK(changed([](event_record& other) { other.payload = "x"; }));
  CHECK(changed([](event_record& other) { other.occurred_at = max_instant; }));
  CHECK(changed([](event_record& other) { other.correlation_id = "x"; }));
  CHECK(changed([](event_record& other) { other.replayed = true; }));
  CHECK(changed([](event_record& other) { other.caused_by = "x"; }));
  CHECK(changed([](event_record& other) { other.trace = "x"; }));
  CHECK(changed([](event_record& other) { other.source = "x"; }));
  CHECK(changed([](event_record& other) { other.available_at = instant{}; }));
}
