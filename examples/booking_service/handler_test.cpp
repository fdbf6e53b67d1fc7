// SPDX-License-Identifier: MIT
// How a host tests a handler of its own: with the library's relay, in virtual time, without a clock, a
// network or a database. Copy this as a start, and include Catch2 in the place of the tests' shim for it.
#include "handler.hpp"

#include <chrono>

#include <event_relay/event_relay.hpp>
#include <event_relay/testing/testing.hpp>

#include "events.hpp"
#include "support/catch.hpp"

namespace {

using namespace bookings;
using namespace std::chrono_literals;

const event_relay::instant ten_o_clock = *event_relay::parse_iso8601("2026-03-20T10:00:00.000Z");

struct fixture {
  event_relay::testing::manual_clock clock{ten_o_clock};
  event_relay::testing::recording_waiter waiter{clock};
  event_relay::testing::collecting_sink breadcrumbs;
  event_relay::collecting_notifier notifications;
  event_relay::event_factory<event_relay::testing::manual_clock, event_relay::testing::sequential_ids> events{
      clock, event_relay::testing::sequential_ids{"evt"}};

  booking_details booking{
      .booking_id = "b-1", .customer_user_id = "guest-1", .requested_service = "Room", .status = "submitted"};

  payment_details payment{.payment_id = "p-1",
                          .booking_id = "b-1",
                          .customer_user_id = "guest-1",
                          .provider_user_id = "desk-1",
                          .amount_cents = 15'000,
                          .currency = "EUR",
                          .status = "captured"};

  auto relay_with(event_relay::fault_injection auto faults) {
    return event_relay::relay{booking_events{}, booking_handler{},
                              event_relay::relay_options()
                                  .with_clock(clock)
                                  .with_pacing(event_relay::wait_until_due{clock, waiter})
                                  .with_faults(faults)
                                  .with_sink(breadcrumbs)
                                  .with_notifier(notifications)};
  }
};

TEST_CASE_METHOD(fixture, "booking_handler: a booking is created, its customer is notified on both channels") {
  auto relay = relay_with(event_relay::no_faults{});
  relay.publish(events.make<booking_created>(booking));

  const auto sent = notifications.take();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].content.channel == event_relay::notification_channel::email);
  CHECK(sent[0].content.recipient == "guest-1");
  CHECK(sent[0].content.subject == "Your booking of Room: received");
  CHECK(sent[0].content.body == "Room is received.");
  CHECK(sent[1].content.channel == event_relay::notification_channel::push);
  CHECK_FALSE(sent[1].content.subject);
  CHECK(sent[0].queued_at == ten_o_clock);
  CHECK(sent[0].id() != sent[1].id());
}

TEST_CASE_METHOD(fixture, "booking_handler: two attempts fail, the third notifies three seconds later") {
  auto relay = relay_with(event_relay::fail_until{2});
  const auto result = relay.publish(events.make<booking_declined>(booking));

  CHECK(result.status == event_relay::attempt_status::processed);
  CHECK(result.retry.attempt == 3);
  CHECK(waiter.waits() == std::vector{1000ms, 2000ms});
  const auto sent = notifications.take();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].content.subject == "Your booking of Room: declined");
  CHECK(sent[0].queued_at == ten_o_clock + 3s);
}

TEST_CASE_METHOD(fixture, "booking_handler: every attempt fails, a dead letter and no notification") {
  auto relay = relay_with(event_relay::fail_until{3});
  const auto result = relay.publish(events.make<booking_completed>(booking));

  REQUIRE(result.dead_letter);
  CHECK(result.dead_letter->queue_name == "booking.completed.dlq");
  CHECK(notifications.take().empty());
  CHECK(breadcrumbs.take().back().status == event_relay::breadcrumb_status::failed);
}

TEST_CASE_METHOD(fixture, "booking_handler: a booking is accepted, a payment captured, nobody is notified") {
  auto relay = relay_with(event_relay::no_faults{});
  CHECK(relay.publish(events.make<booking_accepted>(booking)).status == event_relay::attempt_status::processed);
  CHECK(relay.publish(events.make<payment_captured>(payment)).status == event_relay::attempt_status::processed);
  CHECK(notifications.take().empty());
}

}  // namespace
