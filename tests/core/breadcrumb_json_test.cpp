// SPDX-License-Identifier: MIT
#include "event_relay/core/breadcrumb_json.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "event_relay/core/backoff.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using event_relay_test::sample_instant;
using nlohmann::json;
using std::chrono::milliseconds;

template <class... Values>
std::string as_json(const Values&... values) {
  fmt::memory_buffer out;
  append_json(out, values...);
  return fmt::to_string(out);
}

retry_metadata planned() { return {"constant-v1", 2, 3, milliseconds{500}, sample_instant + milliseconds{500}}; }

const std::string planned_json =
    R"({"strategy":"constant-v1","attempt":2,"maxAttempts":3,"backoffMs":500,"nextAttemptAt":"2026-03-20T10:00:00.500Z"})";

notification queued(notification_request content) {
  return {std::move(content), "evt-1", correlation_id::parse("corr-1").value(), sample_instant};
}

const std::array<reference_value, 2> two_references{{{"paymentId", "payment-1"}, {"invoice", std::int64_t{42}}}};

breadcrumb bare() {
  breadcrumb logged;
  logged.source = "worker";
  logged.step = "booking.created.worker-consume";
  logged.correlation_id = "corr-1";
  logged.event_id = "evt-1";
  return logged;
}

std::string with_details(std::string_view details) {
  return R"({"source":"worker","event":"booking.created.worker-consume","correlationId":"corr-1","status":"started",)"
         R"("details":{"eventId":"evt-1")" +
         std::string{details} + "}}";
}

// Tries to end its string, its object and its line, and to clear the terminal that shows it.
const std::string attack = "\"}}\n{\"source\":\"forged\"}\r\n\x1b[2J\u2028\u0085\\";

// A backoff of a host's own, under a name that is legal for it.
struct quoting_backoff {
  static constexpr fixed_string strategy_name{"the \"patient\" one"};
  milliseconds delay(attempt_number, auto&) const { return milliseconds{1}; }
};
static_assert(backoff_policy<quoting_backoff>);

}  // namespace

TEST_CASE("breadcrumb_json: retry metadata, its members in the order of the wire") {
  CHECK(as_json(planned()) == planned_json);

  const retry_metadata extreme{"x", std::numeric_limits<attempt_number>::max(),
                               std::numeric_limits<attempt_number>::max(), milliseconds::max(), max_instant};
  CHECK(as_json(extreme) == R"({"strategy":"x","attempt":4294967295,"maxAttempts":4294967295,)"
                            R"("backoffMs":9223372036854775807,"nextAttemptAt":"+275760-09-13T00:00:00.000Z"})");
}

TEST_CASE("breadcrumb_json: a strategy named by the host, escaped as all text from outside") {
  retry_metadata own = planned();
  own.strategy = quoting_backoff::strategy_name.view();
  const json parsed = json::parse(as_json(own), nullptr, false);
  REQUIRE(parsed.is_object());
  CHECK(parsed["strategy"] == own.strategy);
}

TEST_CASE("breadcrumb_json: dead-letter marker, its members in the order of the wire") {
  CHECK(as_json(dead_letter_marker{"booking.created.dlq", dead_letter_reason::rejected, sample_instant}) ==
        R"({"terminal":true,"queueName":"booking.created.dlq","reason":"rejected",)"
        R"("markedAt":"2026-03-20T10:00:00.000Z"})");
  CHECK(json::parse(as_json(dead_letter_marker{"q", dead_letter_reason::max_attempts_exhausted, {}}))["reason"] ==
        "max-attempts-exhausted");
}

TEST_CASE("breadcrumb_json: notification, with a subject where it has one and the references between") {
  CHECK(as_json(queued(email("ada", "Booked", "All is well", "first")), std::span{two_references}) ==
        R"({"channel":"email","recipientUserId":"ada","paymentId":"payment-1","invoice":42,"correlationId":"corr-1",)"
        R"("subject":"Booked","body":"All is well","queuedAt":"2026-03-20T10:00:00.000Z"})");
  CHECK(as_json(queued(push("ada", "All is well")), std::span<const reference_value>{}) ==
        R"({"channel":"push","recipientUserId":"ada","correlationId":"corr-1","body":"All is well",)"
        R"("queuedAt":"2026-03-20T10:00:00.000Z"})");
  const json empty = json::parse(as_json(queued(email("", "", "")), std::span<const reference_value>{}));
  CHECK(empty["subject"] == "");
}

TEST_CASE("breadcrumb_json: a breadcrumb, each detail there if it belongs to the step and else left out") {
  CHECK(as_json(bare()) == with_details(""));

  const retry_metadata retry = planned();
  const dead_letter_marker marker{"q.dlq", dead_letter_reason::rejected, sample_instant};
  const auto row = [](auto set, std::string_view details) {
    breadcrumb logged = bare();
    set(logged);
    CHECK(as_json(logged) == with_details(details));
  };
  row([](breadcrumb& logged) { logged.references = two_references; }, R"(,"paymentId":"payment-1","invoice":42)");
  row([](breadcrumb& logged) { logged.replayed = true; }, R"(,"replayed":true)");
  row([](breadcrumb& logged) { logged.replayed = false; }, R"(,"replayed":false)");
  row([](breadcrumb& logged) { logged.outcome = attempt_status::dead_letter; }, R"(,"outcome":"dead-letter")");
  row([](breadcrumb& logged) { logged.worker_status = attempt_status::retry_scheduled; },
      R"(,"workerStatus":"retry-scheduled","workerCorrelationId":"corr-1")");
  row([&](breadcrumb& logged) { logged.retry = &retry; }, R"(,"retry":)" + planned_json);
  row([&](breadcrumb& logged) { logged.dead_letter = &marker; }, R"(,"dlq":)" + as_json(marker));
  row([](breadcrumb& logged) { logged.error = "timed out"; }, R"(,"error":"timed out")");

  breadcrumb named = bare();
  named.event_name = "booking.created";
  CHECK(json::parse(as_json(named))["details"] == json{{"eventName", "booking.created"}, {"eventId", "evt-1"}});
}

TEST_CASE("breadcrumb_json: all details at once, in the order of the wire") {
  const retry_metadata retry = planned();
  const dead_letter_marker marker{"q.dlq", dead_letter_reason::rejected, sample_instant};
  breadcrumb logged = bare();
  logged.references = two_references;
  logged.replayed = true;
  logged.outcome = attempt_status::dead_letter;
  logged.worker_status = attempt_status::dead_letter;
  logged.retry = &retry;
  logged.dead_letter = &marker;
  logged.error = "timed out";
  CHECK(as_json(logged) ==
        with_details(R"(,"paymentId":"payment-1","invoice":42,"replayed":true,"outcome":"dead-letter",)"
                     R"("workerStatus":"dead-letter","workerCorrelationId":"corr-1","retry":)" +
                     planned_json + R"(,"dlq":)" + as_json(marker) + R"(,"error":"timed out")"));
}

TEST_CASE("breadcrumb_json: a notification's step, its content and nothing else") {
  const notification note = queued(push("ada", "All is well"));
  const retry_metadata retry = planned();
  breadcrumb logged = bare();
  logged.step = "notification.created.push.queued";
  logged.references = two_references;
  logged.retry = &retry;
  logged.replayed = true;
  logged.error = "nothing";
  logged.queued = &note;
  CHECK(as_json(logged) == R"({"source":"worker","event":"notification.created.push.queued","correlationId":"corr-1",)"
                           R"("status":"started","details":{"notification":)" +
                               as_json(note, std::span{two_references}) + "}}");
}

TEST_CASE("breadcrumb_json: statuses on the wire") {
  const auto status = [](breadcrumb_status each) {
    breadcrumb logged = bare();
    logged.status = each;
    return json::parse(as_json(logged))["status"].get<std::string>();
  };
  CHECK(status(breadcrumb_status::started) == "started");
  CHECK(status(breadcrumb_status::succeeded) == "succeeded");
  CHECK(status(breadcrumb_status::retrying) == "retrying");
  CHECK(status(breadcrumb_status::failed) == "failed");
  CHECK(wire_name(static_cast<breadcrumb_status>(99)) == "unknown");
}

TEST_CASE("breadcrumb_json: a timestamp, if there is one, before all else") {
  const std::string plain = as_json(bare());
  CHECK(as_json(bare(), std::optional{sample_instant}) ==
        R"({"timestamp":"2026-03-20T10:00:00.000Z",)" + plain.substr(1));
  CHECK(as_json(bare(), std::optional<instant>{}) == plain);
}

TEST_CASE("breadcrumb_json: text from outside that tries to forge a line, on its line and unchanged") {
  const std::array<reference_value, 1> reference{{{"bookingId", std::string_view{attack}}}};
  breadcrumb logged = bare();
  logged.source = attack;
  logged.event_id = attack;
  logged.references = reference;
  logged.error = attack;
  const notification note = queued(email(attack, attack, attack));
  breadcrumb of_notification = logged;
  of_notification.queued = &note;

  for (const breadcrumb& each : {logged, of_notification}) {
    const std::string text = as_json(each);
    CHECK(text.find_first_of("\n\r\x1b") == std::string::npos);
    CHECK(text.find("\u2028") == std::string::npos);
    const json parsed = json::parse(text, nullptr, false);
    REQUIRE(parsed.is_object());
    CHECK(parsed.size() == 5);
    CHECK(parsed["source"] == attack);
  }
  const json details = json::parse(as_json(logged))["details"];
  CHECK(details == json{{"eventId", attack}, {"bookingId", attack}, {"error", attack}});
  const json shown = json::parse(as_json(of_notification))["details"]["notification"];
  for (const auto* member : {"recipientUserId", "bookingId", "subject", "body"}) {
    CHECK(shown[member] == attack);
  }
}

TEST_CASE("breadcrumb_json: numbers at their ends, whole") {
  using limits = std::numeric_limits<std::int64_t>;
  const std::array<reference_value, 3> numbers{
      {{"least", limits::min()}, {"none", std::int64_t{0}}, {"most", limits::max()}}};
  breadcrumb logged = bare();
  logged.references = numbers;
  CHECK(as_json(logged) == with_details(R"(,"least":-9223372036854775808,"none":0,"most":9223372036854775807)"));
}
