// SPDX-License-Identifier: MIT
#include "event_relay/core/event.hpp"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "event_relay/testing/manual_clock.hpp"
#include "event_relay/testing/sequential_ids.hpp"
#include "support/catch.hpp"

namespace {

using namespace event_relay;
using namespace std::chrono_literals;
using testing::manual_clock;
using testing::sequential_ids;

struct note {
  std::string id;
  std::string text;
  static constexpr auto fields = payload_fields(reference("noteId", &note::id), field("text", &note::text));
};
using note_written = domain_event<"note.written", note>;
struct note_erased : domain_event<"note.erased", note> {};
struct note_erased_for_good : note_erased {};

struct parcel {
  std::string id;
  std::unique_ptr<int> content;
  static constexpr auto fields = payload_fields(reference("parcelId", &parcel::id), field("content", &parcel::content));
};
using parcel_sent = domain_event<"parcel.sent", parcel>;

struct looks_like_an_event {
  std::string_view name = "note.written";
  std::string id;
};
struct of_two_families : note_written, note_erased {};

static_assert(event_type<note_written> && event_type<parcel_sent>);
static_assert(event_type<note_erased> && event_type<note_erased_for_good>);
static_assert(!event_type<int> && !event_type<note> && !event_type<looks_like_an_event> &&
              !event_type<of_two_families>);
static_assert(!event_type<note_written*>);

static_assert(note_written::name == "note.written" && note_erased::name == "note.erased");
static_assert(note_erased::name_literal.view() == "note.erased");
static_assert(std::same_as<note_erased::base_event, domain_event<"note.erased", note>>);
static_assert(std::same_as<note_written::base_event, note_written>);
static_assert(std::same_as<note_erased::payload_type, note>);
static_assert(note_erased::names::dead_letter_queue == "note.erased.dlq");
static_assert(!std::same_as<note_written, domain_event<"note.written2", note>>);
// An event without a correlation id cannot be made by leaving it out.
static_assert(!std::is_default_constructible_v<note_written>);

struct counting_clock {
  instant now() { return instant{std::chrono::milliseconds{++*readings}}; }
  int* readings;
};
struct clock_of_seconds {
  std::chrono::sys_seconds now() const { return {}; }
};
static_assert(event_relay::clock<system_clock> && event_relay::clock<manual_clock> &&
              event_relay::clock<counting_clock>);
static_assert(!event_relay::clock<int> && !event_relay::clock<clock_of_seconds>);
static_assert(!event_relay::clock<std::chrono::system_clock> && !event_relay::clock<const counting_clock>);

const instant start = std::chrono::sys_days{std::chrono::year{2026} / 3 / 20} + 10h;
correlation_id request(std::string_view text) { return correlation_id::parse(text).value(); }

}  // namespace

TEST_CASE("domain_event: made by hand, holds what it was given") {
  const note_written event{"id-7", start, request("request-1"), true, {"n-1", "Buy milk"}};
  const note_written copy = event;
  CHECK(copy.id == "id-7");
  CHECK(copy.occurred_at == start);
  CHECK(copy.correlation == request("request-1"));
  CHECK(copy.replayed);
  CHECK(copy.payload.text == "Buy milk");
  CHECK_FALSE(note_written{.id = "id-8", .occurred_at = start, .correlation = request("r"), .payload = {}}.replayed);
}

TEST_CASE("event_factory: an event within a request, has the next id, the clock's instant and the request's id") {
  manual_clock clock{start};
  event_factory factory{clock, sequential_ids{"e"}};
  const auto first = factory.make<note_written>({"n-1", "Buy milk"}, request("request-1"));
  clock.advance(90min);
  const auto second = factory.make<note_written>({"n-2", "Buy bread"}, request("request-1"));
  CHECK(first.id == "e-1");
  CHECK(first.occurred_at == start);
  CHECK(first.correlation == request("request-1"));
  CHECK_FALSE(first.replayed);
  CHECK(first.payload.id == "n-1");
  CHECK(first.payload.text == "Buy milk");
  CHECK(second.id == "e-2");
  CHECK(second.occurred_at == start + 90min);
  CHECK(second.correlation == first.correlation);
}

TEST_CASE("event_factory: an event that starts a request, has a new correlation id of its own") {
  event_factory factory{manual_clock{start}, sequential_ids{"e"}};
  std::set<std::string> ids;
  for (int at = 0; at < 10; ++at) {
    const auto event = factory.make<note_written>({});
    ids.insert(event.id);
    ids.insert(std::string{event.correlation.view()});
  }
  CHECK(ids.size() == 20);
}

TEST_CASE("event_factory: one event, reads the clock once") {
  int readings = 0;
  event_factory factory{counting_clock{&readings}, sequential_ids{}};
  CHECK(factory.make<note_written>({}).occurred_at == instant{1ms});
  CHECK(factory.make<note_written>({}, request("r")).occurred_at == instant{2ms});
  CHECK(readings == 2);
}

TEST_CASE("event_factory: a named event type, makes that type") {
  event_factory factory{manual_clock{start}, sequential_ids{"e"}};
  const std::same_as<note_erased> auto event = factory.make<note_erased>({"n-1", "Buy milk"}, request("request-1"));
  CHECK(event.id == "e-1");
  CHECK(event.payload.id == "n-1");
  const note_erased::base_event& base = event;
  CHECK(base.occurred_at == start);
}

TEST_CASE("event_factory: a payload that can only be moved, arrives") {
  event_factory factory{manual_clock{start}, sequential_ids{}};
  const auto event = factory.make<parcel_sent>({"p-1", std::make_unique<int>(42)}, request("r"));
  CHECK(*event.payload.content == 42);
}

TEST_CASE("event_factory: the default on four threads, no id twice") {
  event_factory<> factory;
  std::vector<std::vector<std::string>> ids(4);
  std::vector<std::thread> threads;
  for (auto& mine : ids) {
    threads.emplace_back([&factory, &mine] {
      for (int at = 0; at < 1000; ++at) {
        const auto event = factory.make<note_written>({});
        mine.push_back(event.id);
        mine.emplace_back(event.correlation.view());
      }
    });
  }
  std::set<std::string> all;
  for (std::size_t at = 0; at < threads.size(); ++at) {
    threads[at].join();
    all.insert(ids[at].begin(), ids[at].end());
  }
  CHECK(all.size() == 8000);
}
