// SPDX-License-Identifier: MIT
#include "event_relay/core/decision.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "support/catch.hpp"

namespace {

using namespace event_relay;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr instant start = parse_iso8601("2026-03-20T10:00:00.999Z").value();
constexpr std::string_view queue = "booking.created.dlq";
constexpr attempt_number last_number = std::numeric_limits<attempt_number>::max();

constexpr retry_metadata plan(attempt_number attempt, attempt_number max_attempts) {
  return {.strategy = "planned-v1",
          .attempt = attempt,
          .max_attempts = max_attempts,
          .backoff = 700ms,
          .next_attempt_at = start + 700ms};
}

struct constant_random {
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  constexpr result_type operator()() { return value; }
  result_type value = 0;
};

// Shows what it was called with: the wait is the attempt's number and the random bits, side by side.
struct transparent_backoff {
  static constexpr fixed_string strategy_name{"transparent-v1"};
  template <random_source Random>
  constexpr milliseconds delay(attempt_number attempt, Random& random) const {
    return milliseconds{attempt * 1'000 + static_cast<std::int64_t>(random())};
  }
};

constexpr retry_metadata planned_with(milliseconds wait, instant now) {
  constant_random random;
  return plan_attempt(1, 3, constant_backoff{wait}, now, random);
}

}  // namespace

TEST_CASE("decision: every outcome at every attempt with every delay") {
  const std::optional<milliseconds> delays[] = {std::nullopt,  milliseconds::min(), -1ms, 0ms, 1ms, 90s,
                                                24h * 365'000, milliseconds::max()};
  for (const attempt_number max_attempts : {attempt_number{1}, attempt_number{2}, attempt_number{5}, last_number}) {
    for (const attempt_number attempt : {attempt_number{1}, attempt_number{2}, attempt_number{4}, attempt_number{5},
                                         attempt_number{6}, last_number - 1, last_number}) {
      const retry_metadata planned = plan(attempt, max_attempts);
      CAPTURE(attempt, max_attempts);

      const decision success = decide(planned, processed{push("ada", "text")}, queue, start);
      CHECK((success == decision{attempt_status::processed, planned, std::nullopt, ""}));

      const decision refusal = decide(planned, reject{"no such card"}, queue, start);
      CHECK((refusal == decision{attempt_status::dead_letter, planned,
                                 dead_letter_marker{queue, dead_letter_reason::rejected, start}, "no such card"}));

      for (const std::optional<milliseconds>& delay : delays) {
        CAPTURE(delay.has_value(), delay.value_or(0ms).count());
        const decision failure = decide(planned, retry{"timed out", delay}, queue, start);
        if (attempt >= max_attempts) {
          const dead_letter_marker mark{queue, dead_letter_reason::max_attempts_exhausted, start};
          CHECK((failure == decision{attempt_status::dead_letter, planned, mark, "timed out"}));
        } else if (!delay) {
          CHECK((failure == decision{attempt_status::retry_scheduled, planned, std::nullopt, "timed out"}));
        } else {
          const milliseconds wait = *delay < 0ms ? 0ms : *delay;
          const instant next = wait > max_instant - start ? max_instant : start + wait;
          const retry_metadata own{"handler-delay", attempt, max_attempts, wait, next};
          CHECK((failure == decision{attempt_status::retry_scheduled, own, std::nullopt, "timed out"}));
        }
      }
    }
  }
}

TEST_CASE("decision: a few rows in plain numbers") {
  const decision later = decide(plan(1, 3), retry{"busy", 90s}, queue, start);
  CHECK(later.retry.strategy == "handler-delay");
  CHECK(later.retry.backoff == 90'000ms);
  CHECK(iso8601_text{later.retry.next_attempt_at}.view() == "2026-03-20T10:01:30.999Z");
  CHECK_FALSE(later.dead_letter.has_value());

  const decision dead = decide(plan(3, 3), retry{}, queue, start);
  REQUIRE(dead.dead_letter.has_value());
  CHECK(dead.dead_letter->terminal);
  CHECK(dead.dead_letter->queue_name == "booking.created.dlq");
  CHECK(wire_name(dead.dead_letter->reason) == "max-attempts-exhausted");
  CHECK(iso8601_text{dead.dead_letter->marked_at}.view() == "2026-03-20T10:00:00.999Z");
  CHECK(dead.error.empty());
}

TEST_CASE("decision: a failure's text, kept byte for byte") {
  const std::string binary{"\0\n\"\xff", 4};
  const std::string huge(1'000'000, 'x');
  for (const std::string& text : {std::string{}, std::string{"timed out"}, binary, huge}) {
    for (const attempt_number attempt : {1U, 3U}) {
      CHECK((decide(plan(attempt, 3), retry{text}, queue, start).error == text));
      CHECK((decide(plan(attempt, 3), reject{text}, queue, start).error == text));
    }
  }
}

TEST_CASE("decision: an outcome that holds nothing, a failure that says so") {
  for (const attempt_number attempt : {1U, 3U}) {
    outcome nothing;
    CHECK_THROWS(nothing.emplace<processed>(push("ada", "1"), push("ada", "2")));
    REQUIRE(nothing.valueless_by_exception());
    const decision made = decide(plan(attempt, 3), std::move(nothing), queue, start);
    CHECK(made.status == (attempt == 3 ? attempt_status::dead_letter : attempt_status::retry_scheduled));
    CHECK((made.retry == plan(attempt, 3)));
    CHECK(made.error == "the handler's outcome holds nothing");
  }
}

TEST_CASE("decision: plan, the backoff asked with the attempt's number and the random source") {
  constant_random random{7};
  const retry_metadata planned = plan_attempt(4, 9, transparent_backoff{}, start, random);
  CHECK((planned == retry_metadata{"transparent-v1", 4, 9, 4'007ms, start + 4'007ms}));

  const retry_metadata beyond = plan_attempt(10, 9, transparent_backoff{}, start, random);
  CHECK(beyond.attempt == 10);
  CHECK(beyond.backoff == 10'007ms);
}

TEST_CASE("decision: plan at the end of time, held at the last instant") {
  STATIC_REQUIRE(planned_with(0ms, start).next_attempt_at == start);
  STATIC_REQUIRE(planned_with(1s, start).next_attempt_at == start + 1s);
  STATIC_REQUIRE(planned_with(1ms, max_instant - 1ms).next_attempt_at == max_instant);
  STATIC_REQUIRE(planned_with(2ms, max_instant - 1ms).next_attempt_at == max_instant);
  STATIC_REQUIRE(planned_with(milliseconds::max(), start).next_attempt_at == max_instant);
  STATIC_REQUIRE(planned_with(milliseconds::max(), min_instant).next_attempt_at == max_instant);
  STATIC_REQUIRE(planned_with(milliseconds::max(), start).backoff == milliseconds::max());
}

TEST_CASE("decision: statuses and reasons on the wire") {
  STATIC_REQUIRE(wire_name(attempt_status::processed) == "processed");
  STATIC_REQUIRE(wire_name(attempt_status::retry_scheduled) == "retry-scheduled");
  STATIC_REQUIRE(wire_name(attempt_status::dead_letter) == "dead-letter");
  STATIC_REQUIRE(wire_name(static_cast<attempt_status>(99)) == "unknown");
  STATIC_REQUIRE(wire_name(dead_letter_reason::max_attempts_exhausted) == "max-attempts-exhausted");
  STATIC_REQUIRE(wire_name(dead_letter_reason::rejected) == "rejected");
  STATIC_REQUIRE(wire_name(static_cast<dead_letter_reason>(99)) == "unknown");
}
