// SPDX-License-Identifier: MIT
// A worker step by step, on a memory_store in virtual time: what becomes of each attempt, of crashes, of lost
// leases and of a store that fails, and what is said of it.
#include "event_relay/outbox/worker.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "event_relay/core/json_lines_sink.hpp"
#include "event_relay/core/relay.hpp"
#include "support/catch.hpp"
#include "support/outbox_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;
using event_relay::testing::collected_breadcrumb;
using event_relay::testing::memory_store;
using std::chrono::milliseconds;

// What a worker says of leases, stores and events without a trail: "outbox.lease-lost failed evt-1: ...".
std::vector<std::string> worker_lines(event_relay::testing::collecting_sink& sink) {
  std::vector<std::string> lines;
  for (const collected_breadcrumb& each : sink.take()) {
    if (each.step.starts_with("outbox.")) {
      const nlohmann::json details = nlohmann::json::parse(each.json)["details"];
      lines.push_back(
          fmt::format("{} {} {}: {}", each.step, wire_name(each.status), details.value("eventId", ""), each.error));
    }
  }
  return lines;
}

std::vector<std::string> json_of(const std::vector<collected_breadcrumb>& breadcrumbs) {
  std::vector<std::string> lines;
  for (const collected_breadcrumb& each : breadcrumbs) {
    lines.push_back(each.json);
  }
  return lines;
}

// A write that leaves a text, and throws afterwards if it shall.
auto leaving(std::string text, processed done = {}) {
  return settled_with{[text = std::move(text)](memory_store::transaction& all) { all.texts.push_back(text); },
                      std::move(done)};
}
auto failing_write(std::string error, processed done = {}) {
  return settled_with{[error = std::move(error)](memory_store::transaction& all) {
                        all.texts.push_back("half");
                        throw std::runtime_error{error};
                      },
                      std::move(done)};
}

std::string id_of(const notification_request& asked, const std::string& event_id = "evt-1") {
  return notification{asked, event_id, correlation_id::parse("corr-1").value(), sample_instant}.id().to_string();
}

// Steps and, where a step finds nothing to do, time goes on, until nothing is left.
template <class Worker, class Bench>
worker_report run_to_end(Worker& tested, Bench& bench) {
  worker_report all;
  for (int step = 0; step < 10'000 && bench.store.has_unfinished(); ++step) {
    const worker_report one = tested.run_once();
    all += one;
    if (one == worker_report{}) {
      bench.clock.advance(1s);
    }
  }
  CHECK_FALSE(bench.store.has_unfinished());
  return all;
}

// Thrown by a run_log's hook: the process ends there.
struct process_death {};

// The same with processes that die, each followed by another whose worker is made by `make`, once the leases of the
// dead one have expired. Returns how many died.
template <class Bench, class Make>
int run_with_deaths(Bench& bench, Make make) {
  for (int deaths = 0;; ++deaths) {
    worker tested{bench.box, bench.handler, make()};
    try {
      run_to_end(tested, bench);
      return deaths;
    } catch (const process_death&) {
      REQUIRE(deaths < 100);
      bench.log.end_open_runs();
      bench.clock.advance(bench.lease);
    }
  }
}

event_record sample_record() {
  return {.id = "evt-1",
          .name = "booking.created",
          .payload = R"({"bookingId":"booking-1","requestedService":"cleaning"})",
          .occurred_at = sample_instant,
          .correlation_id = "corr-1"};
}

// What the codec throws for a payload of booking.created.
std::string parser_message(const std::string& payload) {
  try {
    static_cast<void>(json_codec{}.decode<sample_booking>(payload));
  } catch (const json_error& error) {
    return error.what();
  }
  return "decoded";
}

struct refusing_sink {
  void record(const breadcrumb&) const { throw std::runtime_error{"the disk is full"}; }
};

}  // namespace

// ---- The outcomes ----

TEST_CASE("worker: processed, the event is gone and was run once") {
  worker_bench bench;
  bench.append(sample_event());
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_once() == worker_report{.processed = 1});
  CHECK(state_of(bench.store, "evt-1") == "gone");
  CHECK(tested.run_once() == worker_report{});
  REQUIRE(bench.handler.ids() == "evt-1");
  const given_run given = bench.handler.runs().front();
  CHECK(given.name == "booking.created");
  CHECK(given.correlation == "corr-1");
  CHECK((given.occurred_at == sample_instant));
  CHECK(given.retry.attempt == 1);
  CHECK(given.retry.max_attempts == 3);
}

TEST_CASE("worker: a batch, oldest first, and no more than the batch in one step") {
  worker_bench bench;
  bench.append_bookings(5);
  worker tested{bench.box, bench.handler, bench.options().with_batch(2)};
  CHECK(tested.run_once() == worker_report{.processed = 2});
  CHECK(bench.handler.ids() == "evt-1 evt-2");
  CHECK(tested.run_once() == worker_report{.processed = 2});
  CHECK(tested.run_once() == worker_report{.processed = 1});
  CHECK(bench.handler.ids() == "evt-1 evt-2 evt-3 evt-4 evt-5");
}

TEST_CASE("worker: available later, not attempted a millisecond earlier") {
  worker_bench bench;
  bench.append({.available_at = sample_instant + 1h});
  worker tested{bench.box, bench.handler, bench.options()};
  bench.clock.set(sample_instant + 1h - 1ms);
  CHECK(tested.run_once() == worker_report{});
  bench.clock.advance(1ms);
  CHECK(tested.run_once() == worker_report{.processed = 1});
}

TEST_CASE("worker: a failed attempt, due its backoff after the settle and not a millisecond before") {
  worker_bench bench;
  bench.append(sample_event());
  const auto slow_failure = [&bench](const given_run&) {
    bench.clock.advance(300ms);
    return retry{"busy"};
  };
  bench.handler.on("evt-1", slow_failure).on("evt-1", slow_failure);
  worker tested{bench.box, bench.handler, bench.options().with_backoff(exponential_backoff{1500ms})};
  instant now = sample_instant;
  for (const milliseconds backoff : {1500ms, 3000ms}) {
    CAPTURE(backoff.count());
    CHECK(tested.run_once() == worker_report{.retried = 1});
    const given_run given = bench.handler.runs().back();
    CHECK(given.retry.backoff == backoff);
    CHECK((given.retry.next_attempt_at == now + backoff));
    now += 300ms + backoff;
    CHECK((bench.store.find("evt-1").value().available_at == now));
    bench.clock.set(now - 1ms);
    CHECK(tested.run_once() == worker_report{});
    bench.clock.set(now);
  }
  REQUIRE(history_of(bench.store, "evt-1") == "1 busy, 2 busy");
  CHECK((bench.store.find("evt-1").value().failures[1].at == sample_instant + 300ms + 1500ms + 300ms));
  CHECK(tested.run_once() == worker_report{.processed = 1});
  CHECK(bench.handler.runs().back().retry.attempt == 3);
}

TEST_CASE("worker: the last attempt failed, a dead letter with every failure, and no attempt more") {
  worker_bench bench;
  bench.append(sample_event());
  bench.handler.on("evt-1", retry{"busy"}).on("evt-1", retry{}).on("evt-1", retry{"still busy"});
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(run_to_end(tested, bench) == worker_report{.retried = 2, .dead_lettered = 1});
  CHECK(state_of(bench.store, "evt-1") == "dead-letter 3 max-attempts-exhausted");
  CHECK(history_of(bench.store, "evt-1") == "1 busy, 2 , 3 still busy");
  CHECK((bench.store.find("evt-1").value().dead_since == bench.clock.now()));
  bench.clock.advance(24h);
  CHECK(tested.run_once() == worker_report{});
  CHECK(bench.handler.runs().size() == 3);
}

TEST_CASE("worker: rejected, a dead letter at once") {
  worker_bench bench;
  bench.append(sample_event());
  bench.handler.on("evt-1", reject{"no such customer"});
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_once() == worker_report{.dead_lettered = 1});
  CHECK(state_of(bench.store, "evt-1") == "dead-letter 1 rejected");
  CHECK(history_of(bench.store, "evt-1") == "1 no such customer");
}

TEST_CASE("worker: undecodable, a dead letter at once that keeps the parser's message, and no handler run") {
  struct row {
    std::function<void(event_record&)> change;
    std::string message;
    std::string queue;
  };
  const std::string broken = R"({"bookingId":"b)";
  const std::string lacking = R"({"bookingId":"b"})";
  const std::string queue = "booking.created.dlq";
  const row rows[] = {
      {[](event_record& it) { it.name = "booking.lost"; }, R"(the catalog has no event "booking.lost")", ""},
      {[](event_record& it) { it.name = "booking.create"; }, R"(the catalog has no event "booking.create")", ""},
      {[&](event_record& it) { it.payload = broken; }, parser_message(broken), queue},
      {[&](event_record& it) { it.payload = lacking; }, "requestedService: is missing", queue},
      {[](event_record& it) { it.payload = "[]"; }, "is array, must be an object", queue},
      {[](event_record& it) { it.correlation_id = "a b"; }, "the row's correlation id is none", queue},
      {[](event_record& it) { it.correlation_id = ""; }, "the row's correlation id is none", queue},
  };
  for (const row& each : rows) {
    CAPTURE(each.message);
    worker_bench bench;
    event_record record = sample_record();
    each.change(record);
    bench.append_record(record);
    worker tested{bench.box, bench.handler, bench.options()};
    CHECK(tested.run_once() == worker_report{.dead_lettered = 1});
    CHECK(state_of(bench.store, "evt-1") == "dead-letter 1 undecodable");
    CHECK(history_of(bench.store, "evt-1") == "1 " + each.message);
    CHECK(bench.handler.runs().empty());
    CHECK(bench.log.lines() == std::vector<std::string>{"claimed evt-1#1", "settling", "settled evt-1#1 dead-letter"});
    const auto breadcrumbs = bench.sink.take();
    REQUIRE(breadcrumbs.size() == 1);
    CHECK(breadcrumbs[0].step == outbox_steps::dead_letter);
    CHECK(breadcrumbs[0].source == "worker");
    CHECK(breadcrumbs[0].status == breadcrumb_status::failed);
    CHECK(breadcrumbs[0].error == each.message);
    CHECK(breadcrumbs[0].dead_letter.value() ==
          dead_letter_marker{each.queue, dead_letter_reason::undecodable, sample_instant});
    CHECK(breadcrumbs[0].retry.value().attempt == 1);
    CHECK(nlohmann::json::parse(breadcrumbs[0].json)["details"]["eventName"] == record.name);
  }
}

TEST_CASE("worker: an undecodable event in a batch, the others are processed") {
  worker_bench bench;
  bench.append(sample_event());
  event_record broken = sample_record();
  broken.id = "evt-2";
  broken.payload = "{";
  bench.append_record(broken);
  bench.append(sample_event("evt-3"));
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_once() == worker_report{.processed = 2, .dead_lettered = 1});
  CHECK(bench.handler.ids() == "evt-1 evt-3");
}

TEST_CASE("worker: a handler's own delay, due so long after the settle; a negative one counts as 0") {
  struct row {
    milliseconds asked;
    milliseconds expected;
  };
  for (const row& each : {row{5min, 5min}, row{0ms, 0ms}, row{-5min, 0ms}}) {
    CAPTURE(each.asked.count());
    worker_bench bench;
    bench.append(sample_event());
    bench.handler.on("evt-1", [&](const given_run&) {
      bench.clock.advance(200ms);
      return retry{"later", each.asked};
    });
    worker tested{bench.box, bench.handler, bench.options()};
    CHECK(tested.run_once() == worker_report{.retried = 1});
    CHECK((bench.store.find("evt-1").value().available_at == sample_instant + 200ms + each.expected));
    const auto breadcrumbs = bench.sink.take();
    CHECK(breadcrumbs.back().retry.value().strategy == "handler-delay");
    CHECK((breadcrumbs.back().retry->next_attempt_at == sample_instant + each.expected));
  }
}

TEST_CASE("worker: a failure's text of any length, kept in part and whole characters") {
  worker_bench bench;
  bench.append(sample_event());
  std::string endless;
  while (endless.size() < 100'000) {
    endless += "\xe2\x82\xac";
  }
  bench.handler.on("evt-1", [&](const given_run&) { throw std::runtime_error{endless}; });
  worker tested{bench.box, bench.handler, bench.options()};
  tested.run_once();
  const auto stored = bench.store.find("evt-1");
  REQUIRE(stored->failures.size() == 1);
  CHECK(stored->failures[0].text == endless.substr(0, 1995) + "\xe2\x80\xa6");
}

TEST_CASE("worker: what a handler throws, a failed attempt with its text") {
  worker_bench bench;
  bench.append(sample_event());
  bench.handler.on("evt-1", [](const given_run&) { throw std::runtime_error{"connection reset"}; })
      .on("evt-1", [](const given_run&) { throw 42; })
      .on("evt-1", [](const given_run&) {
        return processed{push("ada", "one"), push("ada", "two")};
      });
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(run_to_end(tested, bench) == worker_report{.retried = 2, .dead_lettered = 1});
  CHECK(history_of(bench.store, "evt-1") ==
        "1 connection reset, 2 the handler threw something that is not a std::exception, "
        "3 processed: two push notifications for \"ada\" with discriminator \"\"");
}

TEST_CASE("worker: injected faults, the attempts that fail do not reach the handler; notifications' too") {
  worker_bench bench;
  const notification_request mail = email("ada", "Booked", "mail");
  bench.append(sample_event());
  bench.handler.on("evt-1", processed{mail});
  worker tested{bench.box, bench.handler, bench.options().with_faults(fail_until{2})};
  CHECK(run_to_end(tested, bench) == worker_report{.processed = 2, .retried = 4});
  CHECK(bench.handler.ids() == "evt-1 " + id_of(mail));
  CHECK(bench.handler.runs()[0].retry.attempt == 3);
  CHECK(bench.handler.runs()[1].retry.attempt == 3);
  // An attempt is an attempt to who looks on, and its failure has no text.
  CHECK(bench.log.count("started") == 6);
  CHECK(bench.log.count("ended") == 6);
  for (const collected_breadcrumb& each : bench.sink.take()) {
    CHECK(each.error.empty());
  }
}

// ---- Follow-ups ----

TEST_CASE("worker: notifications asked for, events of their own that carry on what their cause has") {
  worker_bench bench;
  const notification_request mail = email("ada", "Booked", "mail", "first");
  const notification_request note = push("bob", "note");
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  booking_created event = sample_event();
  event.replayed = true;
  bench.append({.trace = traceparent::parse(trace), .source = "booking-api"}, event);
  bench.clock.advance(1h);
  bench.handler.on("evt-1", [&](const given_run&) {
    bench.clock.advance(200ms);
    return processed{mail, note};
  });
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_once() == worker_report{.processed = 1});

  event_record expected{.id = id_of(mail),
                        .name = "notification.email",
                        .payload = json_codec{}.encode(notification_payload{"ada", "Booked", "mail", "first"}),
                        .occurred_at = sample_instant + 1h,
                        .correlation_id = "corr-1",
                        .replayed = true,
                        .caused_by = "evt-1",
                        .trace = trace,
                        .source = "booking-api"};
  CHECK((bench.store.find(expected.id).value().record == expected));
  expected.id = id_of(note);
  expected.name = "notification.push";
  expected.payload = json_codec{}.encode(notification_payload{"bob", std::nullopt, "note", ""});
  CHECK((bench.store.find(expected.id).value().record == expected));

  CHECK(tested.run_once() == worker_report{.processed = 2});
  CHECK(bench.handler.ids() == "evt-1 " + id_of(mail) + ' ' + id_of(note));
  const auto runs = bench.handler.runs();
  for (const given_run& each : std::span{runs}.subspan(1)) {
    CHECK(each.retry.attempt == 1);
    CHECK(each.caused_by == "evt-1");
    CHECK(each.correlation == "corr-1");
    CHECK(each.trace == trace);
    CHECK(each.source == "booking-api");
    CHECK(each.replayed);
  }
}

TEST_CASE("worker: follow-ups, attempts and dead letters of their own, whatever becomes of the others") {
  worker_bench bench;
  const notification_request mail = email("ada", "Booked", "mail");
  const notification_request note = push("ada", "note");
  bench.append(sample_event());
  bench.handler.on("evt-1", retry{"busy"}).on("evt-1", processed{mail, note});
  for (const char* error : {"bounced", "bounced again", "given up"}) {
    bench.handler.on(id_of(mail), retry{error});
  }
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(run_to_end(tested, bench) == worker_report{.processed = 2, .retried = 3, .dead_lettered = 1});
  CHECK(state_of(bench.store, id_of(mail)) == "dead-letter 3 max-attempts-exhausted");
  CHECK(history_of(bench.store, id_of(mail)) == "1 bounced, 2 bounced again, 3 given up");
  CHECK(state_of(bench.store, id_of(note)) == "gone");
  CHECK(state_of(bench.store, "evt-1") == "gone");
}

TEST_CASE("worker: a follow-up whose id is there already, left as it is") {
  worker_bench bench;
  const notification_request mail = email("ada", "Booked", "mail");
  event_record there = sample_record();
  there.id = id_of(mail);
  there.available_at = sample_instant + 1h;
  bench.append_record(there);
  bench.append(sample_event());
  bench.handler.on("evt-1", processed{mail});
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_once() == worker_report{.processed = 1});
  CHECK(bench.store.find(id_of(mail)).value().record.name == "booking.created");
}

TEST_CASE("worker: a notification that cannot become an event, a failed attempt that says why, and none of them kept") {
  const notification_request note = push("ada", "note");
  SECTION("the catalog does not list it") {
    worker_bench<memory_store, event_catalog<booking_created, push_notification>> bench;
    bench.append(sample_event());
    bench.handler.on("evt-1", leaving("never", processed{note, email("ada", "Booked", "mail")}));
    worker tested{bench.box, bench.handler, bench.options()};
    CHECK(tested.run_once() == worker_report{.retried = 1});
    CHECK(history_of(bench.store, "evt-1") ==
          "1 the catalog does not list notification.email, which the handler asked for");
    CHECK_FALSE(bench.store.find(id_of(note)).has_value());
    CHECK(bench.store.written().empty());
  }
  SECTION("the codec refuses it") {
    worker_bench bench;
    bench.append(sample_event());
    bench.handler.on("evt-1", leaving("never", processed{note, push("bob", "not UTF-8: \xff")}));
    worker tested{bench.box, bench.handler, bench.options()};
    CHECK(tested.run_once() == worker_report{.retried = 1});
    CHECK(history_of(bench.store, "evt-1").find("UTF-8") != std::string::npos);
    CHECK_FALSE(bench.store.find(id_of(note)).has_value());
    CHECK(bench.store.written().empty());
    for (const collected_breadcrumb& each : bench.sink.take()) {
      CHECK(each.step.find("queued") == std::string::npos);
    }
  }
}

// ---- The handler's own writes ----

TEST_CASE("worker: a handler's writes, kept with the event's end and its follow-ups") {
  worker_bench bench;
  const notification_request note = push("ada", "note");
  bench.append_bookings(2);
  bench.handler.on("evt-1", leaving("one", processed{note})).on("evt-2", leaving("two"));
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_once() == worker_report{.processed = 2});
  CHECK(bench.store.written() == std::vector<std::string>{"one", "two"});
  CHECK(state_of(bench.store, id_of(note)) == "ready 0");
}

TEST_CASE("worker: a write that throws, undone with its follow-ups; its attempt failed, and no other's") {
  worker_bench bench;
  const notification_request note = push("ada", "note");
  bench.append_bookings(3);
  bench.handler.on("evt-1", leaving("one"))
      .on("evt-2",
          [&](const given_run&) {
            bench.clock.advance(200ms);
            return failing_write("UNIQUE constraint failed", processed{note});
          })
      .on("evt-2", leaving("two", processed{note}))
      .on("evt-3", leaving("three"));
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_once() == worker_report{.processed = 2, .retried = 1});
  CHECK(bench.store.written() == std::vector<std::string>{"one", "three"});
  CHECK(state_of(bench.store, "evt-2") == "ready 1");
  CHECK(history_of(bench.store, "evt-2") == "1 UNIQUE constraint failed");
  CHECK((bench.store.find("evt-2").value().available_at == sample_instant + 200ms + 1s));
  CHECK_FALSE(bench.store.find(id_of(note, "evt-2")).has_value());
  CHECK(bench.log.count("settled evt-2#1 retry-scheduled") == 1);
  CHECK(bench.log.count("settled evt-2#1 processed") == 0);
  std::string story;
  for (const collected_breadcrumb& each : bench.sink.take()) {
    if (nlohmann::json::parse(each.json)["details"].value("eventId", "") == "evt-2" || !each.error.empty()) {
      story += fmt::format("{} {} {}|", each.step, wire_name(each.status), each.error);
    }
  }
  CHECK(story ==
        "booking.created.domain-event.emit succeeded |booking.created.worker-consume started |"
        "booking.created.worker-consume retrying UNIQUE constraint failed|"
        "booking.created.domain-event.relay.attempt started |");

  bench.clock.advance(1s);
  CHECK(tested.run_once() == worker_report{.processed = 1});
  CHECK(bench.store.written() == std::vector<std::string>{"one", "three", "two"});
  CHECK(state_of(bench.store, id_of(note, "evt-2")) == "ready 0");
}

TEST_CASE("worker: a write that throws in the last attempt, a dead letter") {
  worker_bench bench;
  bench.append(sample_event());
  bench.handler.on("evt-1", failing_write("no")).on("evt-1", settled_with{[](memory_store::transaction&) {
                                                      throw 42;
                                                    }});
  worker tested{bench.box, bench.handler, bench.options().with_max_attempts(2)};
  CHECK(run_to_end(tested, bench) == worker_report{.retried = 1, .dead_lettered = 1});
  CHECK(state_of(bench.store, "evt-1") == "dead-letter 2 max-attempts-exhausted");
  CHECK(history_of(bench.store, "evt-1") == "1 no, 2 the write threw something that is not a std::exception");
  CHECK(bench.store.written().empty());
  const auto last = bench.sink.take().back();
  CHECK(last.step == "booking.created.domain-event.relay");
  CHECK((last.dead_letter.value().marked_at == sample_instant + 1s));
}

TEST_CASE("worker: a write that throws in the last attempt, marked with its start whatever the backoff") {
  worker_bench bench;
  bench.append(sample_event());
  bench.handler.on("evt-1", failing_write("no"));
  worker tested{bench.box, bench.handler,
                bench.options().with_max_attempts(1).with_backoff(constant_backoff{milliseconds::max()})};
  CHECK(tested.run_once() == worker_report{.dead_lettered = 1});
  CHECK((bench.sink.take().back().dead_letter.value().marked_at == sample_instant));
}

// ---- What the envelope tells ----

TEST_CASE("worker: the envelope, its token, cause, trace and source; the attempt counts from its claim") {
  worker_bench bench;
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  bench.append({.trace = traceparent::parse(trace), .source = "booking-api"});
  std::vector<std::string> states;
  std::vector<std::uint64_t> tokens;
  const auto look = [&](const given_run& given) {
    states.push_back(state_of(bench.store, given.id));
    tokens.push_back(bench.store.find(given.id).value().token);
    return retry{"busy"};
  };
  bench.handler.on("evt-1", look).on("evt-1", look);
  worker tested{bench.box, bench.handler, bench.options()};
  run_to_end(tested, bench);
  CHECK(states == std::vector<std::string>{"leased 1", "leased 2"});
  const auto runs = bench.handler.runs();
  REQUIRE(runs.size() == 3);
  CHECK(runs[0].token == tokens[0]);
  CHECK(runs[1].token == tokens[1]);
  CHECK(runs[0].token < runs[1].token);
  CHECK(runs[1].token < runs[2].token);
  for (const given_run& each : runs) {
    CHECK(each.caused_by.empty());
    CHECK(each.trace == trace);
    CHECK(each.source == "booking-api");
    CHECK(each.stop.stop_possible());
    CHECK_FALSE(each.stop.stop_requested());
  }
}

// ---- Crashes ----

TEST_CASE("worker: a batch whose worker vanished, each event an orphan that runs alone and has lost no attempt") {
  worker_bench bench;
  bench.append_bookings(3);
  bench.claim_elsewhere();
  worker tested{bench.box, bench.handler, bench.options()};
  bench.clock.advance(bench.lease - 1ms);
  CHECK(tested.run_once() == worker_report{});
  CHECK(state_of(bench.store, "evt-1") == "leased 1");
  bench.clock.advance(1ms);
  bench.append(sample_event("evt-4"));
  CHECK(run_to_end(tested, bench) == worker_report{.processed = 4});
  for (const run_log::run& each : bench.log.runs()) {
    CHECK(each.attempt == 1);
    CHECK(each.isolated == (each.id != "evt-4"));
  }
  CHECK(bench.log.runs().size() == 4);
  // One claim each, and between two orphans others are claimed.
  CHECK(bench.log.count("claimed") == 4);
  CHECK(bench.handler.ids() == "evt-4 evt-1 evt-2 evt-3");
  CHECK(worker_lines(bench.sink).empty());
}

TEST_CASE("worker: orphans and others, neither waits for all of the other") {
  worker_bench bench;
  bench.append_bookings(2);
  bench.crash_elsewhere();
  worker tested{bench.box, bench.handler, bench.options().with_batch(1)};
  bench.append(sample_event("new-1"), sample_event("new-2"), sample_event("new-3"));
  CHECK(run_to_end(tested, bench) == worker_report{.processed = 5});
  CHECK(bench.handler.ids() == "new-1 evt-1 new-2 evt-2 new-3");
}

TEST_CASE("worker: a crash in an isolated run, counted as the attempt that it was") {
  worker_bench bench;
  bench.append(sample_event());
  bench.crash_elsewhere();
  bench.crash_elsewhere(claim_kind::orphan);
  worker tested{bench.box, bench.handler, bench.options()};
  bench.handler.on("evt-1", retry{"busy"});
  CHECK(tested.run_once() == worker_report{});
  CHECK(history_of(bench.store, "evt-1") == "1 lease expired");
  CHECK(tested.run_once() == worker_report{.retried = 1});
  CHECK(bench.log.runs().back().isolated);
  CHECK(history_of(bench.store, "evt-1") == "1 lease expired, 2 busy");
  CHECK(run_to_end(tested, bench) == worker_report{.processed = 1});
  // Once its attempt has ended like any other's, it is no orphan any more.
  CHECK_FALSE(bench.log.runs().back().isolated);
  CHECK(bench.log.runs().back().attempt == 3);
}

TEST_CASE("worker: out of attempts by crashes, a dead letter that says so, and no handler run") {
  worker_bench bench;
  bench.append(sample_event());
  bench.crash_elsewhere();
  for (int crash = 0; crash < 3; ++crash) {
    bench.crash_elsewhere(claim_kind::orphan);
  }
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(run_to_end(tested, bench) == worker_report{.dead_lettered = 1});
  CHECK(state_of(bench.store, "evt-1") == "dead-letter 3 max-attempts-exhausted");
  CHECK(history_of(bench.store, "evt-1") == "1 lease expired, 2 lease expired, 3 lease expired");
  CHECK(bench.handler.runs().empty());
  CHECK(bench.log.runs().empty());
  const auto breadcrumbs = bench.sink.take();
  REQUIRE(breadcrumbs.size() == 1);
  CHECK(breadcrumbs[0].step == outbox_steps::dead_letter);
  CHECK(breadcrumbs[0].status == breadcrumb_status::failed);
  CHECK(breadcrumbs[0].error == "lease expired");
  CHECK(breadcrumbs[0].correlation_id == "corr-1");
  CHECK(breadcrumbs[0].retry.value().attempt == 3);
  CHECK(breadcrumbs[0].dead_letter.value() ==
        dead_letter_marker{"booking.created.dlq", dead_letter_reason::max_attempts_exhausted, bench.clock.now()});
}

TEST_CASE("worker: an attempt beyond the maximum, run unless the last one crashed; success or a dead letter") {
  struct row {
    outcome answer;
    std::string state;
    std::string history;
  };
  const row rows[] = {{processed{}, "gone", ""},
                      {retry{"busy"}, "dead-letter 3 max-attempts-exhausted", "1 told, 2 told, 3 busy"}};
  for (const row& each : rows) {
    for (const bool is_after_common_crash : {false, true}) {
      CAPTURE(each.state, is_after_common_crash);
      worker_bench bench;
      bench.append(sample_event());
      bench.handler.on("evt-1", retry{"told"}).on("evt-1", retry{"told"}).on("evt-1", each.answer);
      worker patient{bench.box, bench.handler, bench.options().with_max_attempts(5)};
      patient.run_once();
      bench.clock.advance(1s);
      patient.run_once();
      bench.clock.advance(2s);
      if (is_after_common_crash) {
        bench.crash_elsewhere();
      }
      worker strict{bench.box, bench.handler, bench.options().with_max_attempts(1)};
      run_to_end(strict, bench);
      CHECK(bench.handler.runs().size() == 3);
      CHECK(bench.handler.runs().back().retry.attempt == 3);
      CHECK(state_of(bench.store, "evt-1") == each.state);
      CHECK(history_of(bench.store, "evt-1") == each.history);
    }
  }
}

TEST_CASE("worker: a crash and then a failure of its own, the next attempt beyond the maximum runs") {
  worker_bench bench;
  bench.append(sample_event());
  bench.crash_elsewhere();
  bench.crash_elsewhere(claim_kind::orphan);
  bench.handler.on("evt-1", retry{"busy"});
  worker patient{bench.box, bench.handler, bench.options().with_max_attempts(5)};
  patient.run_once();
  CHECK(patient.run_once() == worker_report{.retried = 1});
  worker strict{bench.box, bench.handler, bench.options().with_max_attempts(1)};
  CHECK(run_to_end(strict, bench) == worker_report{.processed = 1});
  CHECK(bench.handler.runs().back().retry.attempt == 3);
}

TEST_CASE("worker: one event in a hundred that kills the process, one dead letter and 99 processed, none charged") {
  worker_bench bench;
  bench.append_bookings(100);
  bench.handler.otherwise([](const given_run& given) { return leaving(given.id); });
  bench.log.set_hook([](std::string_view line) {
    if (line.starts_with("started evt-42#")) {
      throw process_death{};
    }
  });
  CHECK(run_with_deaths(bench, [&] { return bench.options(); }) == 4);
  CHECK(state_of(bench.store, "evt-42") == "dead-letter 3 max-attempts-exhausted");
  CHECK(history_of(bench.store, "evt-42") == "1 lease expired, 2 lease expired, 3 lease expired");
  CHECK(bench.log.count("started evt-42#1 isolated") == 1);
  CHECK(bench.log.count("started evt-42#2 isolated") == 1);
  CHECK(bench.log.count("started evt-42#3 isolated") == 1);
  CHECK(bench.log.count("started evt-42#") == 4);
  CHECK(bench.store.written().size() == 99);
  CHECK(bench.log.count("settled") == 100);
  for (const run_log::run& each : bench.log.runs()) {
    CHECK((each.attempt == 1 || each.id == "evt-42"));
  }
  CHECK(faults_of(bench.log.runs()).empty());
}

// One random history: workers that die, attempts that outlast their lease, and another process that claims and dies.
struct random_history {
  explicit random_history(unsigned seed) : random{seed} {
    bench.append_bookings(12);
    bench.handler.otherwise([this](const given_run& given) { return answer(given); });
    bench.log.set_hook([this](std::string_view line) {
      if (line.starts_with("started")) {
        check_that_nobody_else_runs(bench.log.runs().back().id);
      }
      if (deaths_left > 0 && one_in(14)) {
        --deaths_left;
        throw process_death{};
      }
    });
  }

  bool one_in(unsigned count) { return random() % count == 0; }

  void check_that_nobody_else_runs(const std::string& id) const {
    for (const auto& [other, until] : elsewhere) {
      CHECK((other != id || until <= bench.clock.now()));
    }
  }

  memory_answer answer(const given_run& given) {
    bench.clock.advance(milliseconds{one_in(10) ? 31'000 : random() % 3'000});
    if (deaths_left > 0 && one_in(8)) {
      --deaths_left;
      const claim_kind kind = one_in(2) ? claim_kind::ordinary : claim_kind::orphan;
      for (const claimed_event& each : bench.claim_elsewhere(kind, 2)) {
        elsewhere.emplace_back(each.record.id, bench.clock.now() + bench.lease);
        isolated_elsewhere[each.record.id] += each.isolated ? 1 : 0;
      }
    }
    switch (random() % 8) {
      case 0: return retry{"busy"};
      case 1: return retry{"later", milliseconds{random() % 5'000}};
      case 2: return reject{"never"};
      case 3: return failing_write("no");
      case 4: return leaving(given.id, given.caused_by.empty() ? processed{push("ada", given.id)} : processed{});
      default: return leaving(given.id);
    }
  }

  // Solo claims of the event whose end was never stored: each is a crash that counts.
  std::size_t crashes_of(const std::string& id) {
    std::size_t count = isolated_elsewhere[id];
    for (const std::string& line : bench.log.lines()) {
      if (line.find(' ' + id + '#') != std::string::npos && line.find(" isolated") != std::string::npos) {
        count += line.starts_with("claimed") ? 1 : 0;
        count -= line.starts_with("settled") && !line.ends_with("refused") ? 1 : 0;
      }
    }
    return count;
  }

  worker_bench<> bench;
  std::mt19937 random;
  int deaths_left = 25;
  std::vector<std::pair<std::string, instant>> elsewhere;
  std::map<std::string, std::size_t> isolated_elsewhere;
};

TEST_CASE("worker: random histories of outcomes and deaths, each event ends once and its attempts add up") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    random_history history{seed};
    auto& bench = history.bench;
    const auto make = [&] { return bench.options().with_batch(1 + history.random() % 6); };
    CHECK(run_with_deaths(bench, make) > 0);

    std::set<std::string> ids;
    for (int number = 1; number <= 12; ++number) {
      ids.insert(fmt::format("evt-{}", number));
    }
    for (const run_log::run& each : bench.log.runs()) {
      ids.insert(each.id);
      CHECK(each.attempt <= 3);
    }
    CHECK(faults_of(bench.log.runs()).empty());
    const std::vector<std::string> written = bench.store.written();
    const std::set<std::string> written_ids{written.begin(), written.end()};
    CHECK(written.size() == written_ids.size());
    for (const std::string& id : ids) {
      CAPTURE(id);
      const auto kept = bench.store.find(id);
      REQUIRE(written_ids.contains(id) == !kept.has_value());
      if (kept) {
        // A process may die while it stores the end of one that is out of attempts, and that is counted as well.
        const bool is_rejected = kept->reason == dead_letter_reason::rejected;
        CHECK((is_rejected || kept->failures.size() >= 3));
        CHECK(state_of(bench.store, id) == fmt::format("dead-letter {} {}", kept->failures.size(),
                                                       is_rejected ? "rejected" : "max-attempts-exhausted"));
        std::size_t crashes = 0;
        for (std::size_t at = 0; at < kept->failures.size(); ++at) {
          CHECK(kept->failures[at].attempt == at + 1);
          crashes += kept->failures[at].text == "lease expired" ? 1 : 0;
        }
        CHECK(crashes == history.crashes_of(id));
      }
    }
  }
}

// ---- Leases that were lost ----

TEST_CASE("worker: a settle after another has claimed, refused, reported, and nothing of it kept") {
  const notification_request note = push("ada", "note");
  const memory_answer answers[] = {leaving("never", processed{note}), retry{"busy"}, reject{"never"}};
  for (const memory_answer& answer : answers) {
    worker_bench bench;
    bench.append(sample_event());
    std::vector<claimed_event> others;
    bench.handler.on("evt-1", [&](const given_run&) {
      bench.clock.advance(bench.lease);
      others = bench.claim_elsewhere(claim_kind::orphan);
      return answer;
    });
    worker tested{bench.box, bench.handler, bench.options()};
    CHECK(tested.run_once() == worker_report{.stale_settles = 1});
    REQUIRE(others.size() == 1);
    CHECK(others[0].held.token > bench.handler.runs().front().token);
    CHECK(state_of(bench.store, "evt-1") == "leased 1");
    CHECK(bench.store.find("evt-1").value().token == others[0].held.token);
    CHECK(history_of(bench.store, "evt-1").empty());
    CHECK(bench.store.written().empty());
    CHECK_FALSE(bench.store.find(id_of(note)).has_value());
    CHECK(bench.log.lines().back().ends_with(", refused"));
    const auto breadcrumbs = bench.sink.take();
    CHECK(breadcrumbs.size() == 3);
    CHECK(breadcrumbs.back().step == outbox_steps::stale_settle);
    CHECK(breadcrumbs.back().status == breadcrumb_status::failed);
    CHECK(breadcrumbs.back().correlation_id == "corr-1");
    CHECK(breadcrumbs.back().json.find("evt-1") != std::string::npos);

    settlement<memory_store::transaction> end;
    end.held = others[0].held;
    CHECK(settle(bench.store, std::span{&end, 1}).front().status == settle_status::applied);
    CHECK(tested.run_once() == worker_report{});
  }
}

TEST_CASE("worker: a settle after the lease, but before anybody claimed, still counts") {
  worker_bench bench;
  bench.append(sample_event());
  bench.handler.on("evt-1", [&](const given_run&) { bench.clock.advance(2 * bench.lease); });
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_once() == worker_report{.processed = 1});
}

TEST_CASE("worker: an attempt whose event was released meanwhile, refused, and the others of its batch stored") {
  worker_bench bench;
  bench.append_bookings(2);
  bench.handler.on("evt-1", [&](const given_run&) {
    const lease mine = bench.log.runs().back().held;
    CHECK(bench.store.release({&mine, 1}) == 1);
  });
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_once() == worker_report{.processed = 1, .stale_settles = 1});
  CHECK(state_of(bench.store, "evt-1") == "ready 0");
  CHECK(state_of(bench.store, "evt-2") == "gone");
  CHECK(tested.run_once() == worker_report{.processed = 1});
}

// ---- Breadcrumbs ----

TEST_CASE("worker: the breadcrumbs of an event, byte for byte those of the relay in process") {
  const auto row = []<class Event>(const std::vector<outcome>& answers, Event event, attempt_number failing) {
    worker_bench bench;
    event_relay::testing::manual_clock clock{sample_instant};
    event_relay::testing::recording_waiter waiter{clock};
    event_relay::testing::collecting_sink sink;
    event_relay::testing::scripted_handler handler;
    for (const outcome& each : answers) {
      handler.then(each);
      bench.handler.on(event.id, each);
    }
    bench.append(event);
    worker tested{bench.box, bench.handler,
                  bench.options().with_faults(fail_until{failing}).with_observer(no_observer{})};
    while (bench.store.find(event.id) && bench.store.find(event.id)->state == event_state::ready) {
      bench.clock.set(bench.store.find(event.id)->available_at);
      tested.run_once();
    }
    relay in_process{outbox_events{}, handler,
                     relay_options()
                         .with_sink(sink)
                         .with_clock(clock)
                         .with_pacing(wait_until_due{clock, waiter})
                         .with_faults(fail_until{failing})};
    in_process.publish(event);
    const std::vector<std::string> expected = json_of(sink.take());
    CHECK(expected.size() >= 5);
    CHECK(json_of(bench.sink.take()) == expected);
  };
  const std::vector<std::vector<outcome>> stories = {
      {processed{}},
      {processed{email("ada", "Booked \"now\"", "mail\nof two lines"), push("ada", "note")}},
      {retry{"busy"}, processed{push("ada", "note")}},
      {retry{"busy"}, retry{}, retry{"still \"busy\""}},
      {retry{"later", 5min}, retry{"soon", -1ms}, processed{}},
      {retry{"busy"}, reject{"no such customer"}},
      {reject{}},
  };
  booking_created replayed = sample_event("evt-\"1\"", {"booking-1\n", "cleaning"});
  replayed.replayed = true;
  for (const auto& each : stories) {
    for (const attempt_number failing : {0U, 1U}) {
      CAPTURE(each.size(), failing);
      row(each, sample_event(), failing);
      row(each, replayed, failing);
      row(each, sample_event<payment_captured>(), failing);
    }
  }
}

TEST_CASE("worker: breadcrumbs of its own, nothing that comes from a row can make a line of them") {
  worker_bench bench;
  std::vector<std::string> lines;
  const auto writer = [&lines](std::string_view line) { lines.emplace_back(line); };
  const std::string forged = "\",\"status\":\"succeeded\"}\n{\"source\":\"forged\"}\n";
  event_record record = sample_record();
  record.id += forged;
  record.name += forged;
  record.correlation_id += forged;
  bench.append_record(record);
  worker tested{bench.box, bench.handler, bench.options().with_sink(json_lines_sink{writer, no_timestamp{}})};
  CHECK(tested.run_once() == worker_report{.dead_lettered = 1});
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find('\n') == lines[0].size() - 1);
  const nlohmann::json logged = nlohmann::json::parse(lines[0], nullptr, false);
  REQUIRE(logged.is_object());
  CHECK(logged["source"] == "worker");
  CHECK(logged["status"] == "failed");
  CHECK(logged["correlationId"] == "");
  CHECK(logged["details"]["eventName"] == record.name);
  CHECK(logged["details"]["eventId"] == record.id);
}

TEST_CASE("worker: breadcrumbs of its own, a row's correlation id with white space around it breaks no line") {
  worker_bench bench;
  std::vector<std::string> lines;
  const auto writer = [&lines](std::string_view line) { lines.emplace_back(line); };
  event_record record = sample_record();
  record.name = "booking.lost";
  record.correlation_id = "\ncorr-1\n";
  bench.append_record(record);
  worker tested{bench.box, bench.handler, bench.options().with_sink(json_lines_sink{writer, no_timestamp{}})};
  tested.run_once();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find('\n') == lines[0].size() - 1);
  CHECK(nlohmann::json::parse(lines[0], nullptr, false).is_object());
}

TEST_CASE("worker: a sink that throws, counted, and no event lost or repeated") {
  struct row {
    outcome answer;
    worker_report expected;
  };
  const row rows[] = {{processed{push("ada", "note")}, {.processed = 1, .lost_breadcrumbs = 6}},
                      {retry{"busy"}, {.retried = 1, .lost_breadcrumbs = 4}},
                      {reject{}, {.dead_lettered = 1, .lost_breadcrumbs = 5}}};
  for (const row& each : rows) {
    worker_bench bench;
    bench.append(sample_event());
    bench.handler.on("evt-1", each.answer);
    worker tested{bench.box, bench.handler, bench.options().with_sink(refusing_sink{})};
    CHECK(tested.run_once() == each.expected);
    CHECK(bench.handler.runs().size() == 1);
  }
  worker_bench bench;
  event_record broken = sample_record();
  broken.payload = "";
  bench.append_record(broken);
  worker tested{bench.box, bench.handler, bench.options().with_sink(refusing_sink{})};
  CHECK(tested.run_once() == worker_report{.dead_lettered = 1, .lost_breadcrumbs = 1});
  bench.append(sample_event("evt-2"));
  bench.handler.on("evt-2", [&](const given_run&) {
    bench.clock.advance(bench.lease);
    bench.claim_elsewhere(claim_kind::orphan);
  });
  CHECK(tested.run_once() == worker_report{.stale_settles = 1, .lost_breadcrumbs = 3});
}

// ---- Who looks on ----

TEST_CASE("worker: the observer, every call in order, with the instants of start and end") {
  worker_bench bench;
  bench.append_bookings(2);
  bench.handler.on("evt-1", [&](const given_run&) { bench.clock.advance(250ms); }).on("evt-2", retry{"busy"});
  worker tested{bench.box, bench.handler, bench.options().with_max_attempts(2)};
  run_to_end(tested, bench);
  CHECK(bench.log.lines() == std::vector<std::string>{"claimed evt-1#1 evt-2#1", "started evt-1#1", "ended evt-1#1",
                                                      "started evt-2#1", "ended evt-2#1", "settling",
                                                      "settled evt-1#1 processed", "settled evt-2#1 retry-scheduled",
                                                      "claimed evt-2#2", "started evt-2#2", "ended evt-2#2", "settling",
                                                      "settled evt-2#2 processed"});
  const auto runs = bench.log.runs();
  CHECK((runs[0].started == sample_instant));
  CHECK((runs[0].ended == sample_instant + 250ms));
  CHECK((runs[1].started == sample_instant + 250ms));
  CHECK((runs[1].ended == sample_instant + 250ms));
}

TEST_CASE("worker: what an observer throws, thrown on to the caller of run_once") {
  for (const std::string call : {"claimed", "started", "ended", "settling", "settled"}) {
    CAPTURE(call);
    worker_bench bench;
    bench.append(sample_event());
    bench.log.set_hook([&](std::string_view line) {
      if (line.starts_with(call)) {
        throw std::runtime_error{"no"};
      }
    });
    worker tested{bench.box, bench.handler, bench.options()};
    CHECK_THROWS_AS(tested.run_once(), std::runtime_error);
  }
}

TEST_CASE("worker: an attempt that an injected part has broken off, the next step goes on with the other events") {
  worker_bench bench;
  bench.append(sample_event());
  bench.log.set_hook([&](std::string_view line) {
    if (line.starts_with("started evt-1")) {
      throw std::runtime_error{"no"};
    }
  });
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK_THROWS_AS(tested.run_once(), std::runtime_error);
  bench.append(sample_event("evt-2"));
  CHECK(tested.run_once() == worker_report{.processed = 1});
  CHECK(bench.handler.ids() == "evt-2");
}

TEST_CASE("worker: an observer that throws before the settle, the next step settles with all that belongs to it") {
  worker_bench bench;
  const notification_request note = push("ada", "note");
  bench.append(sample_event());
  bench.handler.on("evt-1", leaving("one", processed{note}));
  bench.log.set_hook([&](std::string_view line) {
    if (line == "settling") {
      throw std::runtime_error{"no"};
    }
  });
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK_THROWS_AS(tested.run_once(), std::runtime_error);
  CHECK(state_of(bench.store, "evt-1") == "leased 1");
  bench.log.set_hook({});
  CHECK(tested.run_once() == worker_report{.processed = 1});
  CHECK(bench.store.written() == std::vector<std::string>{"one"});
  CHECK(state_of(bench.store, id_of(note)) == "ready 0");
}

TEST_CASE("worker: an observer that throws after the settle, the next step does not settle again") {
  worker_bench bench;
  bench.append(sample_event());
  bench.log.set_hook([&](std::string_view line) {
    if (line == "settled evt-1#1 processed") {
      throw std::runtime_error{"no"};
    }
  });
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK_THROWS_AS(tested.run_once(), std::runtime_error);
  bench.log.set_hook({});
  CHECK(state_of(bench.store, "evt-1") == "gone");
  CHECK(tested.run_once().stale_settles == 0);
}

// ---- The heartbeat ----

TEST_CASE("worker: a heartbeat, renews what waits, runs and is finished, and nothing once it is settled") {
  worker_bench<failing_store> bench;
  bench.append_bookings(3);
  worker tested{bench.box, bench.handler, bench.options()};
  bench.handler.on("evt-2", [&](const given_run& given) {
    for (int beat = 0; beat < 3; ++beat) {
      bench.clock.advance(bench.lease - 1ms);
      tested.heartbeat();
      for (const char* id : {"evt-1", "evt-2", "evt-3"}) {
        CHECK((bench.store.find(id).value().leased_until == bench.clock.now() + bench.lease));
      }
    }
    CHECK_FALSE(given.stop.stop_requested());
    CHECK(bench.claim_elsewhere(claim_kind::orphan).empty());
  });
  CHECK(tested.run_once() == worker_report{.processed = 3});
  CHECK(bench.store.calls(failing_store::renew_leases) == 3);
  tested.heartbeat();
  CHECK(bench.store.calls(failing_store::renew_leases) == 3);
  CHECK(worker_lines(bench.sink).empty());
}

TEST_CASE("worker: an attempt that takes too long, told to stop, renewed no more, and the rest released") {
  worker_bench bench;
  bench.append_bookings(3);
  worker tested{bench.box, bench.handler, bench.options().with_max_run_time(1min)};
  bench.handler.on("evt-2", [&](const given_run& given) {
    for (const milliseconds step : {20'000ms, 20'000ms, 19'999ms}) {
      bench.clock.advance(step);
      tested.heartbeat();
      CHECK_FALSE(given.stop.stop_requested());
      CHECK(state_of(bench.store, "evt-3") == "leased 1");
    }
    const auto last_renewal = bench.store.find("evt-2").value().leased_until;
    bench.clock.advance(1ms);
    for (int beat = 0; beat < 2; ++beat) {
      tested.heartbeat();
      CHECK(given.stop.stop_requested());
      CHECK((bench.store.find("evt-2").value().leased_until == last_renewal));
      CHECK(state_of(bench.store, "evt-3") == "ready 0");
      bench.clock.advance(1s);
    }
    // What is finished is held on to until it is stored.
    CHECK((bench.store.find("evt-1").value().leased_until == bench.clock.now() - 1s + bench.lease));
  });
  const worker_report report = tested.run_once();
  CHECK(report.processed == 2);
  CHECK(report.retried + report.dead_lettered + report.stale_settles == 0);
  CHECK(bench.handler.ids() == "evt-1 evt-2");
  CHECK(worker_lines(bench.sink) ==
        std::vector<std::string>{"outbox.run-too-long failed evt-2: the attempt exceeds its maximum run time"});
  // Its stop is not the next one's.
  CHECK(tested.run_once().processed == 1);
  CHECK(bench.handler.ids() == "evt-1 evt-2 evt-3");
  CHECK_FALSE(bench.handler.runs().back().stop.stop_requested());
  CHECK(bench.handler.runs().back().retry.attempt == 1);
}

TEST_CASE("worker: an attempt that takes too long, the events released are in the step's report") {
  worker_bench bench;
  bench.append_bookings(3);
  worker tested{bench.box, bench.handler, bench.options().with_max_run_time(1min)};
  bench.handler.on("evt-1", [&](const given_run&) {
    bench.clock.advance(1min);
    tested.heartbeat();
  });
  CHECK(tested.run_once() == worker_report{.processed = 1, .released = 2});
}

TEST_CASE("worker: an attempt that took too long and then its lease, its event is another's") {
  worker_bench bench;
  bench.append(sample_event());
  worker tested{bench.box, bench.handler, bench.options().with_max_run_time(1min)};
  bench.handler.on("evt-1", [&](const given_run&) {
    for (int beat = 0; beat < 6; ++beat) {
      bench.clock.advance(20s);
      tested.heartbeat();
    }
    CHECK(bench.claim_elsewhere(claim_kind::orphan).size() == 1);
  });
  CHECK(tested.run_once() == worker_report{.stale_settles = 1});
}

TEST_CASE("worker: the maximum run time, an event's own before the common one") {
  worker_bench bench;
  bench.append(sample_event(), sample_event<payment_captured>("pay-1"));
  worker tested{bench.box, bench.handler,
                bench.options().with_batch(1).with_max_run_time(1min).with_max_run_time<payment_captured>(2min)};
  const auto watch = [&](milliseconds expected) {
    return [&, expected](const given_run& given) {
      milliseconds taken{0};
      while (!given.stop.stop_requested() && taken < 10min) {
        bench.clock.advance(20s);
        taken += 20s;
        tested.heartbeat();
      }
      CHECK(taken == expected);
    };
  };
  bench.handler.on("evt-1", watch(1min)).on("pay-1", watch(2min));
  tested.run_once();
  tested.run_once();
  CHECK(worker_lines(bench.sink).size() == 2);
}

TEST_CASE("worker: a lease that is lost, said of each event; what runs is told to stop, what waits is not run") {
  worker_bench bench;
  bench.append_bookings(3);
  worker tested{bench.box, bench.handler, bench.options()};
  bench.handler.on("evt-2", [&](const given_run& given) {
    bench.clock.advance(bench.lease);
    CHECK(bench.claim_elsewhere(claim_kind::orphan).size() == 1);  // evt-1; the others are orphans
    tested.heartbeat();
    CHECK(given.stop.stop_requested());
    tested.heartbeat();
  });
  CHECK(tested.run_once() == worker_report{.stale_settles = 2});
  CHECK(bench.handler.ids() == "evt-1 evt-2");
  CHECK(worker_lines(bench.sink) ==
        std::vector<std::string>{
            "outbox.lease-lost failed evt-2: the lease is over, and another worker may have the event",
            "outbox.lease-lost failed evt-3: the lease is over, and another worker may have the event",
            "outbox.stale-settle failed evt-1: the attempt's end was not stored: its lease had expired",
            "outbox.stale-settle failed evt-2: the attempt's end was not stored: its lease had expired"});
}

TEST_CASE("worker: one lost lease of a batch, the events behind it run and are not told to stop") {
  worker_bench bench;
  bench.append_bookings(3);
  worker tested{bench.box, bench.handler, bench.options()};
  bench.handler
      .on("evt-1",
          [&](const given_run& given) {
            const lease mine = bench.log.runs().back().held;
            bench.store.release({&mine, 1});
            tested.heartbeat();
            CHECK(given.stop.stop_requested());
          })
      .on("evt-2", [&](const given_run& given) { CHECK_FALSE(given.stop.stop_requested()); });
  CHECK(tested.run_once() == worker_report{.processed = 2, .stale_settles = 1});
  CHECK(bench.handler.ids() == "evt-1 evt-2 evt-3");
}

TEST_CASE("lease_manager: a request to stop that comes late, not taken for the next event's") {
  worker_bench bench;
  bench.append_bookings(3);
  lease_manager manager;
  lease_manager::batch& one = manager.open();
  lease_manager::batch& other = manager.open();
  const auto claims = bench.claim_elsewhere();
  const std::span<const claimed_event> all{claims};
  manager.hold_all(one, all.subspan(0, 1), instant::max());
  manager.hold_all(other, all.subspan(1, 1), instant::max());
  REQUIRE(manager.start(one, 0, bench.clock.now()));
  REQUIRE(manager.start(other, 0, bench.clock.now()));
  std::stop_token next;
  const std::stop_callback between{manager.stop_of(one), [&] {
                                     manager.finish(other, 0);
                                     manager.drop(other, 1);
                                     manager.hold_all(other, all.subspan(2, 1), instant::max());
                                     manager.start(other, 0, bench.clock.now());
                                     next = manager.stop_of(other);
                                   }};
  bench.clock.advance(5min);
  manager.heartbeat(bench.store, worker_limits{});
  CHECK(next.stop_possible());
  CHECK_FALSE(next.stop_requested());
}

TEST_CASE("worker: a store's warning, said once") {
  worker_bench<failing_store> bench;
  bench.store.set_warning("mind the file");
  worker tested{bench.box, bench.handler, bench.options()};
  tested.heartbeat();
  tested.heartbeat();
  CHECK(worker_lines(bench.sink) == std::vector<std::string>{"outbox.store-warning warned : mind the file"});
}

// ---- A store that fails ----

TEST_CASE("worker: a claim that the store refuses once, nothing is changed and the next step goes on") {
  worker_bench<failing_store> bench;
  bench.append_bookings(2);
  bench.store.fail(failing_store::claim);
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK_THROWS_AS(tested.run_once(), store_error);
  CHECK(state_of(bench.store, "evt-1") == "ready 0");
  CHECK(tested.run_once() == worker_report{.processed = 2});
  CHECK(bench.handler.ids() == "evt-1 evt-2");
}

TEST_CASE("worker: a settle that the store refuses, kept with all that belongs to it until it is stored") {
  worker_bench<failing_store> bench;
  const notification_request note = push("ada", "note");
  bench.append_bookings(3);
  bench.handler.on("evt-1", leaving("one", processed{note})).on("evt-2", retry{"busy"}).on("evt-3", reject{"never"});
  bench.store.fail(failing_store::settle, 2);
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK_THROWS_AS(tested.run_once(), store_error);
  CHECK(bench.store.written().empty());
  bench.clock.advance(bench.lease - 1ms);
  tested.heartbeat();
  CHECK_THROWS_AS(tested.run_once(), store_error);
  bench.clock.advance(bench.lease - 1ms);
  CHECK(tested.run_once() == worker_report{.processed = 1, .retried = 1, .dead_lettered = 1});
  CHECK(bench.handler.ids() == "evt-1 evt-2 evt-3");
  CHECK(bench.store.written() == std::vector<std::string>{"one"});
  CHECK(state_of(bench.store, id_of(note)) == "ready 0");
  CHECK((bench.store.find("evt-2").value().available_at == bench.clock.now() + 1s));
  CHECK(history_of(bench.store, "evt-3") == "1 never");
  CHECK(tested.run_once() == worker_report{.processed = 1});
}

TEST_CASE("worker: a settle that the store refuses after a write has failed, the failure is stored by the next step") {
  worker_bench<failing_store> bench;
  bench.append_bookings(2);
  bench.handler.on("evt-1", failing_write("no"));
  worker tested{bench.box, bench.handler, bench.options()};
  bench.store.set_hook([&](const exchange_result& result) {
    if (!result.settled.empty() && result.settled[0].status == settle_status::write_failed) {
      bench.store.fail(failing_store::settle);
    }
  });
  CHECK_THROWS_AS(tested.run_once(), store_error);
  CHECK(state_of(bench.store, "evt-1") == "leased 1");
  const worker_report report = tested.run_once();
  CHECK(report == worker_report{.processed = 1, .retried = 1});
  CHECK(history_of(bench.store, "evt-1") == "1 no");
}

TEST_CASE("worker: a settle of an orphan that the store refuses, the next step is alone as well") {
  worker_bench<failing_store> bench;
  bench.append(sample_event());
  bench.crash_elsewhere();
  bench.store.fail(failing_store::settle);
  worker tested{bench.box, bench.handler, bench.options()};
  CHECK(tested.run_once() == worker_report{});
  CHECK_THROWS_AS(tested.run_once(), store_error);
  CHECK(tested.run_once() == worker_report{.processed = 1});
  CHECK(bench.handler.ids() == "evt-1");
}

TEST_CASE("worker: a renewal that the store refuses once, thrown on, and made good by the next heartbeat") {
  worker_bench<failing_store> bench;
  bench.append_bookings(2);
  worker tested{bench.box, bench.handler, bench.options()};
  bench.handler.on("evt-1", [&](const given_run& given) {
    bench.store.fail(failing_store::renew_leases);
    bench.clock.advance(10s);
    CHECK_THROWS_AS(tested.heartbeat(), store_error);
    bench.clock.advance(10s);
    tested.heartbeat();
    CHECK((bench.store.find("evt-2").value().leased_until == bench.clock.now() + bench.lease));
    CHECK_FALSE(given.stop.stop_requested());
  });
  CHECK(tested.run_once() == worker_report{.processed = 2});
}

TEST_CASE("worker: events that the store does not take back, not run here, and run alone once their leases expire") {
  worker_bench<failing_store> bench;
  bench.append_bookings(3);
  worker tested{bench.box, bench.handler, bench.options().with_max_run_time(1min)};
  bench.handler.on("evt-1", [&](const given_run& given) {
    bench.store.fail(failing_store::release_leases);
    bench.clock.advance(1min);
    CHECK_THROWS_AS(tested.heartbeat(), store_error);
    CHECK(given.stop.stop_requested());
    tested.heartbeat();
  });
  CHECK(tested.run_once().processed == 1);
  CHECK(bench.handler.ids() == "evt-1");
  CHECK(state_of(bench.store, "evt-2") == "leased 1");
  CHECK(run_to_end(tested, bench).processed == 2);
  CHECK(bench.handler.ids() == "evt-1 evt-2 evt-3");
  CHECK(bench.handler.runs().back().retry.attempt == 1);
}

TEST_CASE("worker: an attempt that takes too long while the store fails, said nevertheless") {
  for (const auto failing : {failing_store::release_leases, failing_store::renew_leases}) {
    CAPTURE(failing);
    worker_bench<failing_store> bench;
    bench.append_bookings(3);
    worker tested{bench.box, bench.handler, bench.options().with_max_run_time(1min)};
    bench.handler.on("evt-2", [&](const given_run&) {
      bench.store.fail(failing);
      bench.clock.advance(1min);
      CHECK_THROWS_AS(tested.heartbeat(), store_error);
      tested.heartbeat();
    });
    tested.run_once();
    CHECK(worker_lines(bench.sink) ==
          std::vector<std::string>{"outbox.run-too-long failed evt-2: the attempt exceeds its maximum run time"});
  }
}

TEST_CASE("worker: a store whose clock fails once, nothing lost, and the next events run") {
  for (const char* before : {"claimed", "started evt-1", "ended evt-1", "started evt-2"}) {
    CAPTURE(before);
    worker_bench<failing_store> bench;
    bench.append_bookings(2);
    worker tested{bench.box, bench.handler, bench.options()};
    bench.log.set_hook([&](std::string_view line) {
      if (line.starts_with(before)) {
        bench.store.fail(failing_store::time);
      }
    });
    CHECK_THROWS_AS(tested.run_once(), store_error);
    bench.log.set_hook({});
    bench.append(sample_event("evt-3"));
    tested.run_once();
    tested.heartbeat();
    tested.run_once();
    CHECK(state_of(bench.store, "evt-3") == "gone");
    bench.clock.advance(bench.lease);
    run_to_end(tested, bench);
  }
}
