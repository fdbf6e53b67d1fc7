// SPDX-License-Identifier: MIT
// The relay behaves like the system that it succeeds: every recorded case is played through the library's
// own relay, with the example's events and handler, and what comes out is compared as parsed JSON.
// EVENT_RELAY_PARITY_VECTORS names another file of cases to run instead of the repo's copy.
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <event_relay/event_relay.hpp>
#include <nlohmann/json.hpp>

#include "events.hpp"
#include "handler.hpp"
#include "support/catch.hpp"
#include "support/recorded_copy.hpp"

namespace {

using nlohmann::json;
using namespace bookings;

std::string vectors_path() {
  const char* named = std::getenv("EVENT_RELAY_PARITY_VECTORS");
  return named != nullptr && *named != '\0' ? named : EVENT_RELAY_DEFAULT_VECTORS;
}

std::optional<std::string> optional_text(const json& object, const char* key) {
  return object.contains(key) && !object.at(key).is_null() ? std::optional{object.at(key).get<std::string>()}
                                                           : std::nullopt;
}

event_relay::instant read_instant(const json& text) {
  const auto at = event_relay::parse_iso8601(text.get<std::string>());
  if (!at) {
    throw std::runtime_error("not an instant: " + text.dump());
  }
  return *at;
}

booking_details read_booking(const json& from) {
  return {.booking_id = from.at("bookingId"),
          .customer_user_id = from.at("customerUserId"),
          .requested_service = from.at("requestedService"),
          .status = from.at("status"),
          .customer_location = optional_text(from, "customerLocation"),
          .provider_user_id = optional_text(from, "providerUserId"),
          .decline_reason = optional_text(from, "declineReason")};
}

payment_details read_payment(const json& from) {
  return {.payment_id = from.at("paymentId"),
          .booking_id = from.at("bookingId"),
          .customer_user_id = from.at("customerUserId"),
          .provider_user_id = from.at("providerUserId"),
          .amount_cents = from.at("amountCents"),
          .currency = from.at("currency"),
          .status = from.at("status")};
}

template <class Event>
Event read_event(const json& from) {
  const auto correlation = event_relay::correlation_id::parse(from.at("correlationId").get<std::string>());
  if (!correlation) {
    throw std::runtime_error("not a correlation id: " + from.at("correlationId").dump());
  }
  auto payload = [&] {
    if constexpr (std::is_same_v<typename Event::payload_type, payment_details>) {
      return read_payment(from.at("payment"));
    } else {
      return read_booking(from.at("booking"));
    }
  }();
  return {from.at("eventId"), read_instant(from.at("occurredAt")), *correlation, from.at("replayed"),
          std::move(payload)};
}

/// Gives out the recorded instants, one a reading, and refuses one reading more.
struct recorded_clock {
  std::deque<event_relay::instant>* left;
  event_relay::instant now() const {
    if (left->empty()) {
      throw std::logic_error("the clock was read more often than recorded");
    }
    const event_relay::instant next = left->front();
    left->pop_front();
    return next;
  }
};

struct breadcrumb_lines {
  std::vector<json>* parsed;
  void operator()(std::string_view line) const { parsed->push_back(json::parse(line)); }
};

json to_json(const event_relay::relay_result& result, const event_relay::correlation_id& correlation) {
  const auto rendered = [](const auto& part) {
    fmt::memory_buffer text;
    append_json(text, part);
    return json::parse(fmt::to_string(text));
  };
  json object = {{"status", wire_name(result.status)},
                 {"attempt", result.retry.attempt},
                 {"maxAttempts", result.retry.max_attempts},
                 {"correlationId", correlation.view()},
                 {"retry", rendered(result.retry)}};
  if (result.dead_letter) {
    object["dlq"] = rendered(*result.dead_letter);
  }
  return object;
}

struct parity_case {
  std::string kind;
  json input;
  std::vector<event_relay::attempt_number> failing;
  std::deque<event_relay::instant> clock;
};

parity_case read_case(const json& recorded) {
  parity_case read{recorded.at("kind"), recorded.at("input"), {}, {}};
  if (read.kind == "attempt") {
    read.clock.push_back(read_instant(read.input.at("now")));
    if (read.input.at("shouldFail")) {
      read.failing.push_back(read.input.at("attempt"));
    }
  } else if (read.kind == "relay") {
    for (const json& at : read.input.at("clock")) {
      read.clock.push_back(read_instant(at));
    }
    event_relay::attempt_number attempt = 0;
    for (const json& fails : read.input.at("failing")) {
      ++attempt;
      if (fails) {
        read.failing.push_back(attempt);
      }
    }
  } else {
    throw std::runtime_error("unknown kind: " + read.kind);
  }
  return read;
}

/// What the library makes of a case, in the form of its `expected`.
template <class Event>
json play(parity_case played) {
  std::vector<json> breadcrumbs;
  event_relay::relay relay{
      booking_events{}, booking_handler{event_relay_test::recorded_copy{}},
      event_relay::relay_options()
          .with_max_attempts(played.input.at("maxAttempts"))
          .with_backoff(event_relay::exponential_backoff{
              std::chrono::milliseconds{played.input.value("baseBackoffMs", std::int64_t{1000})}})
          .with_faults(event_relay::fail_attempts{played.failing})
          .with_clock(recorded_clock{&played.clock})
          .with_sink(event_relay::json_lines_sink{breadcrumb_lines{&breadcrumbs}, event_relay::no_timestamp{}})};
  const auto event = read_event<Event>(played.input.at("event"));
  json actual;
  std::size_t lost = 0;
  if (played.kind == "attempt") {
    const auto result = relay.attempt(event, played.input.at("attempt"));
    actual["result"] = to_json(result, event.correlation);
    lost = result.lost_breadcrumbs;
  } else {
    lost = relay.publish(event).lost_breadcrumbs;
  }
  if (lost > 0) {
    throw std::runtime_error("a breadcrumb was not JSON");
  }
  actual["breadcrumbs"] = breadcrumbs;
  return actual;
}

json play_by_name(const json& recorded) {
  parity_case read = read_case(recorded);
  const std::string name = read.input.at("event").at("eventName");
  std::optional<json> actual;
  booking_events::for_each([&]<class Event> {
    if (Event::name == name) {
      actual = play<Event>(read);
    }
  });
  if (!actual) {
    throw std::runtime_error("unknown event: " + name);
  }
  return *actual;
}

TEST_CASE("relay: recorded cases of the predecessor, the same results and breadcrumbs") {
  const std::string path = vectors_path();
  std::ifstream file{path};
  INFO("cases from " << path);
  REQUIRE(file.is_open());
  std::size_t cases = 0;
  std::size_t line = 0;
  for (std::string text; std::getline(file, text);) {
    ++line;
    if (text.find_first_not_of(" \t\r") == std::string::npos) {
      continue;
    }
    ++cases;
    INFO("line " << line);
    std::string expected;
    std::string actual;
    try {
      const json recorded = json::parse(text);
      expected = recorded.at("expected").dump(1);
      actual = play_by_name(recorded).dump(1);
    } catch (const std::exception& error) {
      FAIL_CHECK("case cannot be played: " << error.what());
      continue;
    }
    CHECK(actual == expected);
  }
  REQUIRE(file.eof());
  REQUIRE(cases > 0);
  WARN(cases << " recorded cases compared, from " << path);
}

}  // namespace
