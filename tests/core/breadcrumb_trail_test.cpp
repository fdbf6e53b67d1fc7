// SPDX-License-Identifier: MIT
#include "event_relay/core/breadcrumb_trail.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "event_relay/testing/collecting_sink.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using nlohmann::json;

const breadcrumb_sources names{"the relay", "the worker"};

retry_metadata planned() { return {"constant-v1", 2, 3, {}, sample_instant}; }
json planned_json() {
  return {{"strategy", "constant-v1"},
          {"attempt", 2},
          {"maxAttempts", 3},
          {"backoffMs", 0},
          {"nextAttemptAt", "2026-03-20T10:00:00.000Z"}};
}
json marker_json() {
  return {{"terminal", true}, {"queueName", "q.dlq"}, {"reason", "rejected"}, {"markedAt", "2026-03-20T10:00:00.000Z"}};
}

decision decided(attempt_status status) {
  decision made{status, planned(), std::nullopt, status == attempt_status::processed ? "" : "timed out"};
  if (status == attempt_status::dead_letter) {
    made.dead_letter = dead_letter_marker{"q.dlq", dead_letter_reason::rejected, sample_instant};
  }
  return made;
}

// The one breadcrumb that `step` leaves on the trail of `event`.
template <class Event, class Step>
json left_by(const Event& event, Step step) {
  testing::collecting_sink sink;
  breadcrumb_trail trail{event, sink, names};
  step(trail);
  const auto breadcrumbs = sink.take();
  REQUIRE(breadcrumbs.size() == 1);
  CHECK(trail.lost() == 0);
  return json::parse(breadcrumbs[0].json);
}

json breadcrumb_of(const char* source, const std::string& step, const char* status, json details) {
  return {{"source", source},
          {"event", step},
          {"correlationId", "corr-1"},
          {"status", status},
          {"details", std::move(details)}};
}

template <class Thrown>
struct throwing_sink {
  void record(const breadcrumb&) { throw Thrown{}; }
};

struct some_error : std::exception {};

}  // namespace

TEST_CASE("breadcrumb_trail: the emission, with name, references and whether replayed") {
  booking_created event = sample_event();
  for (const bool replayed : {false, true}) {
    event.replayed = replayed;
    CHECK(left_by(event, [](auto& trail) { trail.emitted(); }) ==
          breadcrumb_of("the relay", "booking.created.domain-event.emit", "succeeded",
                        {{"eventName", "booking.created"},
                         {"eventId", "evt-1"},
                         {"bookingId", "booking-1"},
                         {"replayed", replayed}}));
  }
}

TEST_CASE("breadcrumb_trail: an attempt's start, with references, whether replayed and the plan") {
  CHECK(left_by(sample_event<payment_captured>(), [](auto& trail) { trail.attempt_started(planned()); }) ==
        breadcrumb_of("the worker", "payment.captured.worker-consume", "started",
                      {{"eventId", "evt-1"},
                       {"paymentId", "payment-1"},
                       {"invoice", 42},
                       {"replayed", false},
                       {"retry", planned_json()}}));
}

TEST_CASE("breadcrumb_trail: an attempt's end and what the relay says of it, for each status") {
  struct row {
    attempt_status status;
    const char* ended;
    const char* goes_on;
    json of_worker;
    json of_relay;
  };
  const json retry = planned_json();
  const json mark = marker_json();
  const row rows[] = {
      {attempt_status::processed, "succeeded", "succeeded", {{"retry", retry}}, {{"workerStatus", "processed"}}},
      {attempt_status::retry_scheduled,
       "retrying",
       "started",
       {{"retry", retry}, {"outcome", "retry-scheduled"}, {"error", "timed out"}},
       {{"workerStatus", "retry-scheduled"}}},
      {attempt_status::dead_letter,
       "failed",
       "failed",
       {{"retry", retry}, {"outcome", "dead-letter"}, {"dlq", mark}, {"error", "timed out"}},
       {{"workerStatus", "dead-letter"}, {"dlq", mark}}},
  };
  const booking_created event = sample_event();
  for (row each : rows) {
    const decision made = decided(each.status);
    each.of_worker["eventId"] = "evt-1";
    each.of_relay.update({{"eventId", "evt-1"}, {"workerCorrelationId", "corr-1"}, {"retry", retry}});
    CHECK(left_by(event, [&](auto& trail) { trail.attempt_ended(made); }) ==
          breadcrumb_of("the worker", "booking.created.worker-consume", each.ended, each.of_worker));
    CHECK(left_by(event, [&](auto& trail) { trail.attempt_relayed(made); }) ==
          breadcrumb_of("the relay", "booking.created.domain-event.relay.attempt", each.goes_on, each.of_relay));
    CHECK(left_by(event, [&](auto& trail) { trail.relayed(made); }) ==
          breadcrumb_of("the relay", "booking.created.domain-event.relay", each.ended, each.of_relay));
  }
}

TEST_CASE("breadcrumb_trail: a failure without a text, no error detail") {
  decision made = decided(attempt_status::retry_scheduled);
  made.error.clear();
  const json logged = left_by(sample_event(), [&](auto& trail) { trail.attempt_ended(made); });
  CHECK_FALSE(logged["details"].contains("error"));
}

TEST_CASE("breadcrumb_trail: a notification, its step named after its channel") {
  const correlation_id correlation = correlation_id::parse("corr-1").value();
  json shown = {{"channel", "email"},
                {"recipientUserId", "ada"},
                {"bookingId", "booking-1"},
                {"correlationId", "corr-1"},
                {"subject", "Booked"},
                {"body", "All is well"},
                {"queuedAt", "2026-03-20T10:00:00.000Z"}};
  const notification mail{email("ada", "Booked", "All is well"), "evt-1", correlation, sample_instant};
  CHECK(left_by(sample_event(), [&](auto& trail) { trail.notification_queued(mail); }) ==
        breadcrumb_of("the worker", "notification.created.email.queued", "succeeded", {{"notification", shown}}));

  shown.erase("subject");
  shown["channel"] = "push";
  const notification note{push("ada", "All is well"), "evt-1", correlation, sample_instant};
  CHECK(left_by(sample_event(), [&](auto& trail) { trail.notification_queued(note); }) ==
        breadcrumb_of("the worker", "notification.created.push.queued", "succeeded", {{"notification", shown}}));
}

TEMPLATE_TEST_CASE("breadcrumb_trail: a sink that throws whatever it likes, counted and otherwise ignored", "",
                   some_error, int, std::string) {
  throwing_sink<TestType> sink;
  const booking_created event = sample_event();
  breadcrumb_trail trail{event, sink, names};
  CHECK(trail.lost() == 0);
  const decision made = decided(attempt_status::dead_letter);
  const notification note{push("ada", "text"), "evt-1", event.correlation, sample_instant};
  trail.emitted();
  trail.attempt_started(made.retry);
  trail.attempt_ended(made);
  trail.notification_queued(note);
  trail.attempt_relayed(made);
  trail.relayed(made);
  CHECK(trail.lost() == 6);
}
