// SPDX-License-Identifier: MIT
#include "event_relay/core/publisher.hpp"

#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "event_relay/core/relay.hpp"
#include "event_relay/testing/collecting_sink.hpp"
#include "event_relay/testing/scripted_handler.hpp"
#include "support/catch.hpp"
#include "support/sample_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using texts = std::vector<std::string>;

struct noting_publisher {
  texts* told;
  std::string name;
  template <event_type Event>
  int publish(const Event& event) {
    told->push_back(name + " " + event.id);
    return 1;
  }
};

template <class Thrown>
struct throwing_publisher {
  texts* told;
  Thrown thrown;
  template <event_type Event>
  void publish(const Event& event) {
    told->push_back("throws " + event.id);
    throw thrown;
  }
};

struct of_bookings {
  void publish(const booking_created&) {}
  void publish(const booking_accepted&) {}
};
struct of_mutable_bookings {
  void publish(booking_created&) {}
};
struct throwing_sink {
  void record(const breadcrumb&) { throw std::runtime_error{"the disk is full"}; }
};

using sample_relay = relay<sample_events, testing::scripted_handler>;

static_assert(publisher_of<of_bookings, booking_created>);
static_assert(publisher_of<noting_publisher, payment_captured>);
static_assert(publisher_of<sample_relay, payment_captured>);
static_assert(!publisher_of<of_bookings, payment_captured>);
static_assert(!publisher_of<const of_bookings, booking_created>);
static_assert(!publisher_of<of_mutable_bookings, booking_created>);
static_assert(!publisher_of<noting_publisher, int>);
static_assert(!publisher_of<int, booking_created>);

static_assert(publisher<of_bookings, event_catalog<booking_created, booking_accepted>>);
static_assert(publisher<sample_relay, sample_events>);
static_assert(publisher<logging_publisher<null_sink>, sample_events>);
static_assert(publisher<publisher_sequence<noting_publisher, sample_relay>, sample_events>);
static_assert(!publisher<of_bookings, sample_events>);
static_assert(!publisher<int, sample_events>);
static_assert(!publisher<noting_publisher, booking_created>);
static_assert(!publisher<publisher_sequence<noting_publisher, of_bookings>, sample_events>);

}  // namespace

TEST_CASE("publisher: logging, the breadcrumb of the emission and no other") {
  testing::collecting_sink sink;
  logging_publisher publisher{sink, {"the log", "nobody"}};
  publisher.publish(sample_event());
  publisher.publish(sample_event<payment_captured>("evt-2"));
  const auto breadcrumbs = sink.take();
  REQUIRE(breadcrumbs.size() == 2);
  CHECK(breadcrumbs[0].step == "booking.created.domain-event.emit");
  CHECK(breadcrumbs[0].source == "the log");
  CHECK(breadcrumbs[0].status == breadcrumb_status::succeeded);
  CHECK(nlohmann::json::parse(breadcrumbs[1].json)["details"]["eventId"] == "evt-2");

  logging_publisher{sink}.publish(sample_event());
  CHECK(sink.take().at(0).source == "relay");
}

TEST_CASE("publisher: logging to a sink that throws, ignored") {
  CHECK_NOTHROW(logging_publisher{throwing_sink{}}.publish(sample_event()));
}

TEST_CASE("publisher: sequence, each told in order") {
  texts told;
  noting_publisher first{&told, "first"};
  noting_publisher second{&told, "second"};
  noting_publisher third{&told, "third"};
  publisher_sequence sequence{first, second, third};
  sequence.publish(sample_event());
  sequence.publish(sample_event<payment_captured>("evt-2"));
  CHECK(told == texts{"first evt-1", "second evt-1", "third evt-1", "first evt-2", "second evt-2", "third evt-2"});

  publisher_sequence<> nobody;
  CHECK_NOTHROW(nobody.publish(sample_event()));
}

TEST_CASE("publisher: sequence with publishers that throw, all told and the first exception thrown again") {
  texts told;
  noting_publisher fine{&told, "fine"};
  throwing_publisher<std::runtime_error> broken{&told, std::runtime_error{"broken"}};
  throwing_publisher<int> worse{&told, 7};
  const texts all{"throws evt-1", "fine evt-1", "throws evt-1", "fine evt-1"};

  publisher_sequence broken_first{broken, fine, worse, fine};
  CHECK_THROWS_WITH(broken_first.publish(sample_event()), "broken");
  CHECK(told == all);

  told.clear();
  publisher_sequence worse_first{worse, fine, broken, fine};
  CHECK_THROWS_AS(worse_first.publish(sample_event()), int);
  CHECK(told == all);
}

TEST_CASE("publisher: sequence, refers to its publishers and may be part of another") {
  texts told;
  noting_publisher first{&told, "before"};
  publisher_sequence inner{first};
  noting_publisher second{&told, "second"};
  publisher_sequence outer{inner, second};
  first.name = "after";
  outer.publish(sample_event());
  CHECK(told == texts{"after evt-1", "second evt-1"});
}

TEST_CASE("publisher: a relay beside a log, the event handled and logged") {
  testing::collecting_sink sink;
  testing::scripted_handler handler;
  logging_publisher logged{sink};
  sample_relay relayed{sample_events{}, handler};
  publisher_sequence sequence{logged, relayed};
  sequence.publish(sample_event());
  CHECK(sink.take().size() == 1);
  CHECK(handler.attempts().size() == 1);
}
