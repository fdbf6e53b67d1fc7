// SPDX-License-Identifier: MIT
#include "service.hpp"

#include <string>
#include <variant>
#include <vector>

#include <event_relay/testing/testing.hpp>

#include "support/catch.hpp"

namespace {

using namespace bookings;
using event_relay::testing::manual_clock;
using event_relay::testing::sequential_ids;

/// Keeps what is published.
struct recording_publisher {
  using any_event =
      std::variant<booking_created, booking_accepted, booking_declined, booking_completed, payment_captured>;
  std::vector<any_event> published;

  void publish(const event_relay::event_type auto& event) { published.emplace_back(event); }

  template <class Event>
  const Event& at(std::size_t index) const {
    return std::get<Event>(published.at(index));
  }
};

struct fixture {
  bookings_in_memory table;
  recording_publisher publisher;
  manual_clock clock{event_relay::instant{std::chrono::seconds{1'000}}};
  booking_service<bookings_in_memory, recording_publisher, manual_clock, sequential_ids> service{
      table, publisher, clock, sequential_ids{}};
  event_relay::correlation_id correlation = *event_relay::correlation_id::parse("req-1");
  caller customer{"guest-1", role::customer};
  caller provider{"desk-1", role::provider};

  std::string created() {
    return service.create(customer, {.requested_service = "Room", .customer_location = "PRT", .price_cents = 15'000},
                          correlation);
  }
  std::string accepted() {
    const std::string id = created();
    service.accept(provider, id, correlation);
    return id;
  }
  std::string completed() {
    const std::string id = accepted();
    service.complete(provider, id, correlation);
    return id;
  }

  // The call is refused, for this reason, and neither the table's booking nor the events change.
  template <class Call>
  void refuses(service_fault fault, const std::string& what, Call call) {
    const auto before = publisher.published.size();
    std::vector<booking_state> states;
    for (const auto& [id, each] : table.by_id) {
      states.push_back(each.state);
    }
    try {
      call();
      FAIL("not refused: " << what);
    } catch (const service_error& error) {
      CHECK(error.fault() == fault);
      CHECK(error.what() == what);
    }
    CHECK(publisher.published.size() == before);
    std::size_t at = 0;
    for (const auto& [id, each] : table.by_id) {
      CHECK(each.state == states.at(at++));
    }
  }
};

TEST_CASE_METHOD(fixture, "service: a customer creates, the booking is submitted and told") {
  const std::string id = created();
  REQUIRE(publisher.published.size() == 1);
  const auto& told = publisher.at<booking_created>(0);
  CHECK(told.payload.booking_id == id);
  CHECK(told.payload.customer_user_id == "guest-1");
  CHECK(told.payload.requested_service == "Room");
  CHECK(told.payload.status == "submitted");
  CHECK(told.payload.customer_location == "PRT");
  CHECK_FALSE(told.payload.provider_user_id);
  CHECK_FALSE(told.payload.decline_reason);
  CHECK(told.correlation == correlation);
  CHECK(told.occurred_at == clock.now());
  CHECK_FALSE(told.replayed);
}

TEST_CASE_METHOD(fixture, "service: a provider accepts, is recorded and told") {
  const std::string id = accepted();
  CHECK(table.by_id.at(id).state == booking_state::accepted);
  const auto& told = publisher.at<booking_accepted>(1);
  CHECK(told.payload.status == "accepted");
  CHECK(told.payload.provider_user_id == "desk-1");
}

TEST_CASE_METHOD(fixture, "service: a provider declines, with the reason") {
  const std::string id = created();
  service.decline(provider, id, "full", correlation);
  CHECK(table.by_id.at(id).state == booking_state::declined);
  const auto& told = publisher.at<booking_declined>(1);
  CHECK(told.payload.status == "declined");
  CHECK(told.payload.provider_user_id == "desk-1");
  CHECK(told.payload.decline_reason == "full");
}

TEST_CASE_METHOD(fixture, "service: completing captures the payment and tells of both, in this order") {
  const std::string id = accepted();
  clock.advance(std::chrono::hours{1});
  service.complete(provider, id, correlation);
  REQUIRE(publisher.published.size() == 4);
  const auto& completion = publisher.at<booking_completed>(2);
  const auto& capture = publisher.at<payment_captured>(3);
  CHECK(completion.payload.status == "completed");
  CHECK(capture.payload.booking_id == id);
  CHECK(capture.payload.amount_cents == 15'000);
  CHECK(capture.payload.currency == "EUR");
  CHECK(capture.payload.status == "captured");
  CHECK(capture.payload.payment_id == table.by_id.at(id).captured->id);
  CHECK(capture.occurred_at == clock.now());
  CHECK(completion.id != capture.id);
  CHECK_FALSE(completion.replayed);
  CHECK_FALSE(capture.replayed);
}

TEST_CASE_METHOD(fixture,
                 "service: completing again charges nothing and tells both again, replayed, at the payment's instant") {
  const std::string id = completed();
  const payment first = *table.by_id.at(id).captured;
  clock.advance(std::chrono::hours{24});
  service.complete(provider, id, correlation);
  REQUIRE(publisher.published.size() == 6);
  const auto& completion = publisher.at<booking_completed>(4);
  const auto& capture = publisher.at<payment_captured>(5);
  CHECK(completion.replayed);
  CHECK(capture.replayed);
  CHECK(completion.occurred_at == first.captured_at);
  CHECK(capture.occurred_at == first.captured_at);
  CHECK(capture.payload.payment_id == first.id);
  CHECK(table.by_id.at(id).captured->id == first.id);
  CHECK(table.by_id.at(id).captured->captured_at == first.captured_at);
}

TEST_CASE_METHOD(fixture, "service: events name the recorded provider, never the caller") {
  const std::string id = accepted();
  service.complete({"desk-2", role::provider}, id, correlation);
  CHECK(publisher.at<booking_completed>(2).payload.provider_user_id == "desk-1");
  CHECK(publisher.at<payment_captured>(3).payload.provider_user_id == "desk-1");

  const std::string assigned = created();
  table.by_id.at(assigned).provider_user_id = "desk-3";
  service.decline({"desk-2", role::provider}, assigned, "full", correlation);
  CHECK(publisher.at<booking_declined>(5).payload.provider_user_id == "desk-3");
}

TEST_CASE_METHOD(fixture, "service: completing without a recorded provider, conflict and nothing told") {
  const std::string id = accepted();
  table.by_id.at(id).provider_user_id.reset();
  refuses(service_fault::conflict, "booking " + id + " has no recorded provider",
          [&] { service.complete(provider, id, correlation); });
  CHECK_FALSE(table.by_id.at(id).captured);
}

TEST_CASE_METHOD(fixture, "service: the wrong role, forbidden") {
  const std::string id = created();
  refuses(service_fault::forbidden, "only a customer may create a booking",
          [&] { service.create(provider, {}, correlation); });
  refuses(service_fault::forbidden, "only a provider may accept a booking",
          [&] { service.accept(customer, id, correlation); });
  refuses(service_fault::forbidden, "only a provider may decline a booking",
          [&] { service.decline(customer, id, "no", correlation); });
  refuses(service_fault::forbidden, "only a provider may complete a booking",
          [&] { service.complete(customer, id, correlation); });
}

TEST_CASE_METHOD(fixture, "service: an unknown booking, not found") {
  const std::string what = "there is no booking b-0";
  refuses(service_fault::not_found, what, [&] { service.accept(provider, "b-0", correlation); });
  refuses(service_fault::not_found, what, [&] { service.decline(provider, "b-0", "no", correlation); });
  refuses(service_fault::not_found, what, [&] { service.complete(provider, "b-0", correlation); });
}

TEST_CASE_METHOD(fixture, "service: a transition that the state forbids, conflict naming both states") {
  const auto conflict = [](const std::string& id, std::string_view from, std::string_view to) {
    return fmt::format("booking {} is {} and cannot become {}", id, from, to);
  };
  const std::string submitted = created();
  refuses(service_fault::conflict, conflict(submitted, "submitted", "completed"),
          [&] { service.complete(provider, submitted, correlation); });
  const std::string taken = accepted();
  refuses(service_fault::conflict, conflict(taken, "accepted", "accepted"),
          [&] { service.accept(provider, taken, correlation); });
  refuses(service_fault::conflict, conflict(taken, "accepted", "declined"),
          [&] { service.decline(provider, taken, "no", correlation); });
  const std::string done = completed();
  refuses(service_fault::conflict, conflict(done, "completed", "accepted"),
          [&] { service.accept(provider, done, correlation); });
  refuses(service_fault::conflict, conflict(done, "completed", "declined"),
          [&] { service.decline(provider, done, "no", correlation); });
  const std::string refused = created();
  service.decline(provider, refused, "no", correlation);
  refuses(service_fault::conflict, conflict(refused, "declined", "completed"),
          [&] { service.complete(provider, refused, correlation); });
  refuses(service_fault::conflict, conflict(refused, "declined", "declined"),
          [&] { service.decline(provider, refused, "x", correlation); });
  CHECK(table.by_id.at(refused).decline_reason == "no");
}

TEST_CASE("booking: transitions, all sixteen") {
  using enum booking_state;
  for (const auto from : {submitted, accepted, declined, completed}) {
    for (const auto to : {submitted, accepted, declined, completed}) {
      const bool allowed =
          (from == submitted && (to == accepted || to == declined)) || (from == accepted && to == completed);
      CHECK(may_become(from, to) == allowed);
    }
  }
}

}  // namespace
